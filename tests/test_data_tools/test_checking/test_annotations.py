# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Every sort of broken annotation and image is found, counted, and nothing else is."""

import pickle
import shutil

import pytest
from PIL import Image

from magnet_mm.data_tools.checking.instances import FAR_OUTSIDE, MALFORMED, mask_problem

IMAGES = 'images/mscoco/images/train2014'


def test_a_sound_root(root, problems):
    found, result = problems(root, images=True)
    assert found == {} and result.ok
    assert result.root.layout == 'refer' and result.decoded == 26
    assert result.images == {'refshapes': (26, 26)}
    [file] = result.refs_files
    assert {name: len(split.image_ids) for name, split in file.splits.items()} == {
        'train': 12, 'val': 6, 'testA': 4, 'testB': 4,
    }  # fmt: skip
    refs = pickle.loads((root / 'refshapes' / 'refs(unc).p').read_bytes())
    assert result.expressions == sum(len(ref['sentences']) for ref in refs)


def test_sentences_of_nothing_and_pairs_are_sound_too(whole_root, problems):
    found, result = problems(whole_root)
    assert found == {} and result.ok
    names = {name for file in result.refs_files for name in file.splits}
    assert len(result.refs_files) == 3 and {'val_absent', 'val_pairs'} <= names


def test_mmdetection_layout(root, problems):
    (root / 'images/mscoco/images/train2014').rename(root / 'train2014')
    shutil.rmtree(root / 'images')
    found, result = problems(root)
    assert found == {} and result.root.layout == 'mmdetection'


def test_images_elsewhere(root, problems):
    (root / 'images/train2014').parent.mkdir(exist_ok=True)
    (root / IMAGES).rename(root / 'images/train2014')
    found, result = problems(root)
    assert result.ok and result.root.layout == 'other'
    assert found == {
        'the images are in images/train2014, where no config looks.': ('warning', 1),
    }


@pytest.mark.parametrize(
    ('change', 'problem', 'count'),
    [
        (
            lambda c: c['annotations'][0].update(category_id=77),
            'annotations have a category that "categories" does not list.',
            1,
        ),
        (
            lambda c: c['annotations'][1].update(id=c['annotations'][0]['id']),
            'annotation ids occur twice.',
            1,
        ),
        (lambda c: c['images'].append(dict(c['images'][3])), 'image ids occur twice.', 1),
        (
            lambda c: [a.update(segmentation=[]) for a in c['annotations'][:4]],
            'masks are empty: no polygon.',
            4,
        ),
        (
            lambda c: c['annotations'][0].update(segmentation=[[1, 1, 1, 1, 1, 1]]),
            'masks are empty: no pixel.',
            1,
        ),
        (
            lambda c: c['annotations'][0].update(segmentation={'size': [5, 5], 'counts': [25]}),
            'run-length masks have another size than their image.',
            1,
        ),
        (
            lambda c: c['annotations'][0].update(segmentation=[[0, 0, 5, float('nan'), 5, 5]]),
            MALFORMED,
            1,
        ),
        (
            lambda c: c['annotations'][0].update(segmentation=[[0, 0, 1e9, 0, 1e9, 1e9]]),
            FAR_OUTSIDE,
            1,
        ),
        (
            lambda c: c['annotations'][0].update(image_id=9999),
            'annotations are on images that the file does not list.',
            1,
        ),
        (
            lambda c: c['images'][0].pop('height'),
            'images lack "file_name", "height" or "width".',
            1,
        ),
        (
            lambda c: c['images'][0].update(file_name='../../../etc/passwd'),
            'image file names lead out of the image folder.',
            1,
        ),
        (
            lambda c: c.pop('images'),
            'this is no COCO annotation file: it has no lists "images" and "annotations".',
            1,
        ),
    ],
)
def test_broken_instances(root, edit_instances, problems, change, problem, count):
    edit_instances(change)
    found, result = problems(root)
    assert found[problem] == ('error', count) and not result.ok


def test_polygon_that_leaves_its_image_is_a_warning(root, edit_instances, problems):
    def shift(content):
        for annotation in content['annotations']:
            if isinstance(annotation['segmentation'], list):
                width = content['images'][annotation['image_id'] - 1]['width']
                annotation['segmentation'] = [[0, 0, width + 9, 0, width + 9, 9, 0, 9]]
                return

    edit_instances(shift)
    found, result = problems(root)
    problem = 'polygons leave their image; the image may be another or was resized.'
    assert found == {problem: ('warning', 1)} and result.ok


@pytest.mark.parametrize(
    ('mask', 'level'),
    [
        ([[0, 0, 4, 0, 4, 4, 0, 4]], None),
        ([[0, 0, 8.9, 0, 8.9, 4, 0, 4]], None),
        ([[0, 0, 9.1, 0, 9.1, 4, 0, 4]], 'warning'),
        (dict(size=[6, 8], counts=[0, 48]), None),
        (dict(size=[6, 8], counts=[48]), 'error'),
        (dict(size=[6, 8], counts=[0, 47]), 'error'),
        (dict(size=[6, 8], counts=[0, 'x']), 'error'),
        ([[0, 0, 'a', 0, 4, 4]], 'error'),
        ([[[0, 0], [1, 1], [2, 2], [3, 3], [4, 4], [5, 5]]], 'error'),
        (None, 'error'),
        (7, 'error'),
    ],
)
def test_mask_problem(mask, level):
    problem = mask_problem(mask, height=6, width=8)
    assert (problem and problem[0]) == level


def _edit_refs(root, change):
    path = root / 'refshapes' / 'refs(unc).p'
    refs = pickle.loads(path.read_bytes())
    change(refs)
    path.write_bytes(pickle.dumps(refs, 2))


@pytest.mark.parametrize(
    ('change', 'problem'),
    [
        (lambda r: r[1].update(ref_id=r[0]['ref_id']), 'ref ids occur twice.'),
        (
            lambda r: r[1]['sentences'][0].update(sent_id=r[0]['sentences'][0]['sent_id']),
            'sentence ids occur twice.',
        ),
        (lambda r: r[0].pop('split'), 'refs lack split (or have it in another type).'),
        (
            lambda r: r[0].update(ann_id=99999),
            'refs mean annotations that instances.json does not have.',
        ),
        (
            lambda r: r[0].update(image_id=r[-1]['image_id']),
            'refs and their annotations are on different images.',
        ),
        (
            lambda r: r[0].update(image_id=99999),
            'refs are on images that instances.json does not have.',
        ),
        (lambda r: r[0]['sentences'][0].pop('raw'), 'sentences lack "raw" or "sent_id".'),
        (lambda r: r[0].update(sentences=[]), 'refs have no sentence.'),
    ],
)
def test_broken_refs(root, problems, change, problem):
    # a sentence without "raw" may have "sent"; the generator writes both
    def all_changes(refs):
        change(refs)
        refs[0].get('sentences') and refs[0]['sentences'][0].pop('sent', None)

    _edit_refs(root, all_changes)
    found, result = problems(root)
    assert found[problem] == ('error', 1) and not result.ok


def test_an_empty_mask_is_reported_where_a_ref_means_it(root, edit_instances, problems):
    refs = pickle.loads((root / 'refshapes' / 'refs(unc).p').read_bytes())
    edit_instances(lambda c: c['annotations'][refs[0]['ann_id'] - 1].update(segmentation=[]))
    found, _ = problems(root)
    assert found['refs mean an object whose mask is empty or unusable.'] == ('error', 1)


def test_missing_and_broken_images(root, problems):
    files = sorted((root / IMAGES).iterdir())
    files[0].unlink()
    files[1].write_bytes(b'')
    files[2].write_bytes(files[2].read_bytes()[:800])
    with Image.open(files[3]) as image:
        size = image.size
    Image.new('RGB', (size[0] + 1, size[1])).save(files[3])
    files[4].write_text('<html>not found</html>')
    found, result = problems(root)
    missing = 'image files are missing or empty.'
    assert found == {missing: ('error', 2)} and result.decoded is None
    found, result = problems(root, images=True)
    assert found == {
        missing: ('error', 2),
        'images are damaged or truncated.': ('error', 2),
        'images have another size than annotated.': ('error', 1),
    }
    assert result.decoded == 26 - 5 and result.images == {'refshapes': (24, 26)}
    examples = [text for one in result.findings for text in one.examples]
    assert (
        f'{files[3].name}: {size[0] + 1} x {size[1]} instead of {size[0]} x {size[1]} pixels'
        in (examples)
    )


def test_fewer_refs_than_generated(root, problems):
    _edit_refs(root, lambda refs: refs.pop(0))
    found, result = problems(root)
    [problem] = found
    assert problem.startswith('split train has ') and 'refs instead of' in problem
    assert not result.ok
