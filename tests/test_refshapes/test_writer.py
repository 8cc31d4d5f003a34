# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The files RefShapes writes: form, determinism, proportions, and what is refused."""

from __future__ import annotations

import collections
import importlib.util
import io
import pickle
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as mask_utils

from magnet_mm.datasets.annotations.masks import rle_to_mask, segmentation_to_rle
from magnet_mm.errors import DataError
from magnet_mm.refshapes import DEFAULT_COUNTS, KINDS, make_example, write_refshapes

TINY = {'train': 3, 'val': 2, 'testA': 2, 'testB': 2}
TOOL = Path(__file__).parents[2] / 'tools' / 'dataset_tools' / 'make_refshapes.py'


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob('*') if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_same_seed_same_bytes(tmp_path):
    for name, seed in (('a', 5), ('b', 5), ('c', 6)):
        assert write_refshapes(tmp_path / name, seed=seed, counts=TINY) is True
    first, second, other = (contents(tmp_path / name) for name in 'abc')
    assert first == second
    assert len(first) == 9 + 6  # images, and files of annotations
    assert first['refshapes/refs(unc).p'] != other['refshapes/refs(unc).p']
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a', 'b', 'c']


def test_image_depends_on_seed_split_and_number_alone():
    alone = make_example(5, 'val', 1)
    make_example(5, 'train', 0)
    again = make_example(5, 'val', 1)
    assert alone.scene == again.scene
    assert alone.sentences == again.sentences
    assert np.array_equal(alone.image, again.image)


def test_images_and_their_sizes(refshapes):
    assert len(refshapes.images) == 150
    sizes = set()
    for image in refshapes.images.values():
        assert image['file_name'] == f'COCO_train2014_{image["id"]:012d}.jpg'
        path = refshapes.root / 'images/mscoco/images/train2014' / image['file_name']
        assert path.read_bytes()[:2] == b'\xff\xd8'
        assert cv2.imread(str(path)).shape == (image['height'], image['width'], 3)
        assert 128 <= min(image['height'], image['width'])
        assert max(image['height'], image['width']) <= 176
        sizes.add((image['height'], image['width']))
    assert len(sizes) > 100


def test_pickle_is_protocol_2_and_names_no_global(refshapes):
    data = (refshapes.root / 'refshapes' / 'refs(unc).p').read_bytes()
    assert data[:2] == b'\x80\x02'

    class NoGlobals(pickle.Unpickler):
        def find_class(self, module, name):
            raise AssertionError(f'the pickle names {module}.{name}')

    assert NoGlobals(io.BytesIO(data)).load() == refshapes.refs


def test_refs_have_the_form_of_refcoco(refshapes):
    keys = 'ref_id ann_id category_id image_id file_name split sent_ids sentences'.split()
    for ref in refshapes.refs:
        assert list(ref) == keys
        annotation = refshapes.annotations[ref['ann_id']]
        assert annotation['image_id'] == ref['image_id']
        assert annotation['category_id'] == ref['category_id']
        assert ref['file_name'] == f'COCO_train2014_{ref["image_id"]:012d}_{ref["ann_id"]}.jpg'
        assert ref['sent_ids'] == [sentence['sent_id'] for sentence in ref['sentences']]
        for sentence in ref['sentences']:
            assert sentence['raw'] == sentence['sent'] == ' '.join(sentence['tokens'])
            assert sentence['kind'] in KINDS


def test_ids_are_unique(refshapes):
    ref_ids = [ref['ref_id'] for ref in refshapes.refs]
    sentence_ids = [number for ref in refshapes.refs for number in ref['sent_ids']]
    ann_ids = [ref['ann_id'] for ref in refshapes.refs]
    assert len(set(ref_ids)) == len(ref_ids)
    assert len(set(sentence_ids)) == len(sentence_ids)
    assert len(set(ann_ids)) == len(ann_ids)
    assert len(refshapes.annotations) == len(refshapes.instances['annotations'])


def test_refs_and_sentences_of_an_image(refshapes):
    by_image = collections.defaultdict(list)
    for ref in refshapes.refs:
        by_image[ref['image_id']].append(ref)
    assert set(by_image) == set(refshapes.images)
    for refs in by_image.values():
        numbers = [len(ref['sentences']) for ref in refs]
        assert 2 <= len(refs) <= 4
        assert 1 <= min(numbers) and max(numbers) <= 3
        # So the sentences can be exchanged with every one going to another ref.
        assert 2 * max(numbers) <= sum(numbers)
        texts = [sentence['raw'] for ref in refs for sentence in ref['sentences']]
        assert len(set(texts)) == len(texts)


@pytest.mark.parametrize('split', ['train', 'val', 'testA', 'testB'])
def test_each_kind_is_a_quarter_of_each_split(refshapes, split):
    refs = [ref for ref in refshapes.refs if ref['split'] == split]
    assert len({ref['image_id'] for ref in refs}) == refshapes.counts[split]
    kinds = collections.Counter(s['kind'] for ref in refs for s in ref['sentences'])
    assert set(kinds) == set(KINDS)
    assert min(kinds.values()) >= 0.25 * sum(kinds.values())


def test_number_of_objects(refshapes):
    split_of = {ref['image_id']: ref['split'] for ref in refshapes.refs}
    objects = collections.Counter(a['image_id'] for a in refshapes.annotations.values())
    counts = collections.defaultdict(set)
    for image_id, number in objects.items():
        counts[split_of[image_id]].add(number)
    assert counts['train'] == {3, 4, 5, 6, 7}
    assert counts['testA'] == {5, 6, 7}


def test_masks_decode_in_every_form(refshapes):
    forms = collections.Counter()
    for annotation in refshapes.annotations.values():
        image = refshapes.images[annotation['image_id']]
        height, width = image['height'], image['width']
        written = annotation['segmentation']
        if isinstance(written[0], list):
            forms['polygon'] += 1
            assert all(len(part) >= 6 and len(part) % 2 == 0 for part in written)
            rle = mask_utils.merge(mask_utils.frPyObjects(written, height, width))
        else:
            forms['list of one RLE'] += 1
            [rle] = written
            assert type(rle['counts']) is str
        mask = mask_utils.decode(rle)
        assert mask.shape == (height, width)
        assert mask.sum() == annotation['area'] > 0.004 * height * width
        ys, xs = np.nonzero(mask)
        left, top, wide, high = annotation['bbox']
        assert (left, top) == (xs.min(), ys.min())
        assert (left + wide, top + high) == (xs.max() + 1, ys.max() + 1)
        x, y = annotation['attributes']['centre']
        assert left < x < left + wide and top < y < top + high
    total = sum(forms.values())
    assert forms['polygon'] > 0.8 * total
    assert forms['list of one RLE'] > 0.05 * total


def test_an_earlier_result_is_kept_and_anything_else_is_refused(tmp_path):
    out = tmp_path / 'out'
    out.mkdir()
    assert write_refshapes(out, counts=TINY) is True
    before = contents(out)
    assert write_refshapes(out, counts=TINY) is False
    with pytest.raises(DataError, match='holds RefShapes made with .*"?seed.* not overwritten'):
        write_refshapes(out, seed=1, counts=TINY)
    assert contents(out) == before

    other = tmp_path / 'other'
    other.mkdir()
    (other / 'notes.txt').write_text('mine')
    with pytest.raises(DataError, match='something that is not RefShapes'):
        write_refshapes(other, counts=TINY)
    assert contents(other) == {'notes.txt': b'mine'}


def test_interrupted_run_leaves_nothing_half_done(tmp_path):
    def stop(items):
        yield items[0]
        raise KeyboardInterrupt

    out = tmp_path / 'out'
    with pytest.raises(KeyboardInterrupt):
        write_refshapes(out, counts=TINY, progress=stop)
    assert not out.exists()
    assert write_refshapes(out, counts=TINY) is True
    assert [path.name for path in tmp_path.iterdir()] == ['out']


@pytest.mark.parametrize('counts', [{'train': -1}, {'test': 3}])
def test_bad_counts_are_refused(tmp_path, counts):
    with pytest.raises(DataError, match='splits'):
        write_refshapes(tmp_path / 'out', counts=counts)


def test_default_counts():
    assert DEFAULT_COUNTS == {'train': 3500, 'val': 250, 'testA': 250, 'testB': 250}


def test_tool_prints_counts_and_reports_errors(tmp_path, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location('make_refshapes', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    sizes = ['--train', '3', '--val', '2', '--testA', '2', '--testB', '2']
    out = tmp_path / 'out'
    monkeypatch.setattr(sys, 'argv', ['make_refshapes.py', str(out), *sizes])
    assert tool.main() == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[:2] for row in rows[2:]] == [
        ['train', '3'],
        ['val', '2'],
        ['testA', '2'],
        ['testB', '2'],
    ]
    assert rows[1][:4] == ['split', 'images', 'refs', 'sentences']
    monkeypatch.setattr(sys, 'argv', ['make_refshapes.py', str(out), *sizes, '--seed', '9'])
    assert tool.main() == 1
    assert 'not overwritten' in capsys.readouterr().err


def decode_as_refer(ref: dict, content: dict) -> np.ndarray:
    """The mask of a ref by the steps of the published `refer` API, written anew.

    It asks for the first entry of the segmentation: a list means polygons, anything else must be a
    list of RLE dicts with compressed counts. The parts' masks are added up.
    """
    [annotation] = [one for one in content['annotations'] if one['id'] == ref['ann_id']]
    [image] = [one for one in content['images'] if one['id'] == ref['image_id']]
    seg = annotation['segmentation']
    assert len(seg) > 0
    if type(seg[0]) == list:  # noqa: E721  as refer asks
        rle = mask_utils.frPyObjects(seg, image['height'], image['width'])
    else:
        rle = [dict(part, counts=part['counts'].encode()) for part in seg]
    return (np.sum(mask_utils.decode(rle), axis=2) > 0).astype(np.uint8)


def test_truth_29_refer_decodes_every_mask_as_we_do(refshapes):
    forms = collections.Counter()
    for ref in refshapes.refs:
        annotation = refshapes.annotations[ref['ann_id']]
        image = refshapes.images[ref['image_id']]
        forms[type(annotation['segmentation'][0])] += 1
        ours = segmentation_to_rle(
            annotation['segmentation'], image['height'], image['width'], 'test'
        )
        theirs = decode_as_refer(ref, refshapes.instances)
        np.testing.assert_array_equal(rle_to_mask(ours), theirs)
        assert theirs.sum() == annotation['area']
    assert set(forms) == {list, dict}
