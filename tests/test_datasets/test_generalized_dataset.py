# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""gRefCOCO: several targets, no target, crowds, and files that contradict themselves."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS

from magnet_mm.data_tools.checking import check_root
from magnet_mm.data_tools.conversion import refcoco_to_jsonl
from magnet_mm.datasets.annotations import refs_reader
from magnet_mm.datasets.annotations.jsonl_annotations import read_jsonl
from magnet_mm.datasets.annotations.refs_reader import read_refs
from magnet_mm.errors import DataError

ROOT = Path(__file__).resolve().parents[2]


def gref(ref_id, ann_id, image_id, split, *texts, **more):
    return dict(
        ref_id=ref_id,
        ann_id=ann_id,
        category_id=[1] * len(ann_id) if isinstance(ann_id, list) else 1,
        image_id=image_id,
        file_name='ignored.jpg',
        split=split,
        sentences=[
            dict(sent=text, raw=text, sent_id=100 * ref_id + place, tokens=text.split())
            for place, text in enumerate(texts)
        ],
        **more,
    )


@pytest.fixture
def grefs():
    return [
        gref(1, [11], 1, 'train', 'left square', 'the one at left'),
        gref(2, [11, 12], 1, 'val', 'all squares', 'everything', no_target=False),
        gref(3, [-1], 1, 'val', 'the blue dog', no_target=True),
        gref(4, [21, 22], 2, 'val', 'both boxes'),
        gref(5, 31, 3, 'val', 'corner'),
    ]


@pytest.fixture
def config(write_data, grefs, instances, tmp_path):
    """Writes a gRefCOCO folder; returns the dataset arguments and a function that rewrites it."""
    arguments = write_data(name='grefcoco')
    sound = copy.deepcopy(grefs)
    (tmp_path / 'grefcoco' / 'refs(unc).p').unlink()

    def rewrite(refs=None, content=None):
        folder = tmp_path / 'grefcoco'
        (folder / 'grefs(unc).json').write_text(json.dumps(sound if refs is None else refs))
        (folder / 'instances.json').write_text(json.dumps(content or instances))
        return arguments

    arguments.update(
        type='GeneralizedReferringDataset', refs_file='grefcoco/grefs(unc).json', split='val'
    )
    rewrite()
    return arguments, rewrite


def box(*boxes):
    mask = np.zeros((30, 40), np.uint8)
    for x, y, side in boxes:
        mask[y : y + side, x : x + side] = 1
    return mask


SQUARES = box((2, 3, 10), (20, 10, 10), (25, 15, 10))


def test_masks_are_unions(config, pipeline):
    dataset = DATASETS.build(dict(config[0], pipeline=pipeline[:2], test_mode=True))
    assert len(dataset) == 5
    expected = [SQUARES, SQUARES, box(), box((5, 6, 8), (20, 4, 6)), box((0, 0, 7))]
    for sample, mask in zip(dataset, expected, strict=True):
        np.testing.assert_array_equal(sample['gt_seg_map'], mask)
    assert [sample['no_target'] for sample in dataset] == [False, False, True, False, False]
    assert [sample['kind'] for sample in dataset] == [
        'multi-target', 'multi-target', 'no-target', 'multi-target', 'single-target',
    ]  # fmt: skip
    assert [sample['ann_id'] for sample in dataset] == [(11, 12), (11, 12), (), (21, 22), (31,)]


def test_samples_for_the_model(config, pipeline):
    dataset = DATASETS.build(dict(config[0], pipeline=pipeline, test_mode=True))
    sample = dataset[2]['data_samples']
    assert sample.no_target is True and sample.gt_sem_seg.data.sum() == 0
    assert sample.dataset_name == 'grefcoco' and sample.expression == 'the blue dog'
    train = DATASETS.build(dict(config[0], split='train', pipeline=pipeline))
    assert len(train) == 1 and train[0]['data_samples'].no_target is False
    shuffled = DATASETS.build(dict(config[0], split='val_shuffled', test_mode=True, pipeline=[]))
    assert {one['expression'] for one in shuffled} >= {'the blue dog'}


def test_crowds_are_left_out_as_in_rela(config, pipeline, instances):
    instances['annotations'][0]['iscrowd'] = 1  # annotation 11
    config[1](content=instances)
    dataset = DATASETS.build(dict(config[0], pipeline=pipeline[:2], test_mode=True))
    np.testing.assert_array_equal(dataset[0]['gt_seg_map'], box((20, 10, 10), (25, 15, 10)))
    assert dataset[0]['kind'] == 'multi-target'
    alone = DATASETS.build(dict(config[0], split='train', pipeline=pipeline[:2], test_mode=True))
    np.testing.assert_array_equal(alone[0]['gt_seg_map'], box((2, 3, 10)))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(ann_id=[-1], no_target=False), 'contradict each other'),
        (dict(ann_id=[11], no_target=True), 'contradict each other'),
        (dict(ann_id=[11, -1]), 'contradict each other'),
        (dict(ann_id='11'), '"ann_id" must be a list of whole numbers'),
        (dict(ann_id=None), '"ann_id" must be'),
        (dict(ann_id=[True]), '"ann_id" must be int, found bool'),
        (dict(ref_id=2), 'ref 2 occurs twice'),
        (dict(sentences=[dict(raw='x')]), '"sent_id" must be int, found nothing'),
        (dict(split=3), '"split" must be str'),
        (dict(ann_id=[99], split='val'), 'points to annotation 99'),
        (dict(ann_id=[21], split='val'), 'is on image 1, but its annotation 21'),
        (dict(image_id=9, split='val'), 'points to image 9'),
    ],
)
def test_damaged_files(config, grefs, change, message):
    grefs[0].update(change)
    config[1](grefs)
    with pytest.raises(DataError, match=message):
        DATASETS.build(config[0])
    problems = {one.problem for one in check_root(config[0]['data_root']).findings}
    config[1]()
    assert problems - {one.problem for one in check_root(config[0]['data_root']).findings}


@pytest.mark.parametrize('name', ['/etc/passwd', '../../x.jpg', 'a/../../x.jpg', '..\\x.jpg'])
def test_image_names_that_lead_out_of_the_folder(config, instances, name):
    instances['images'][0]['file_name'] = name
    config[1](content=instances)
    with pytest.raises(DataError, match='does not name a file inside'):
        DATASETS.build(config[0])


def test_unreadable_files(tmp_path):
    path = tmp_path / 'grefs(unc).json'
    with pytest.raises(DataError, match='cannot be read'):
        read_refs(str(path), True)
    for content, message in (('[{', 'not valid JSON'), ('{}', 'non-empty list'), ('[]', 'list')):
        path.write_text(content)
        with pytest.raises(DataError, match=message):
            read_refs(str(path), True)


def test_pickled_refs_and_bare_sentences(tmp_path, grefs):
    del grefs[0]['sentences'][0]['raw']
    path = tmp_path / 'grefs(unc).p'
    path.write_bytes(pickle.dumps(grefs, 2))
    refs = read_refs(str(path), True)
    assert refs[0]['sentences'][0]['raw'] == 'left square'
    assert [ref['ann_id'] for ref in refs] == [[11], [11, 12], [], [21, 22], [31]]


def test_config(config, monkeypatch, tmp_path, vocabulary):
    monkeypatch.setenv('REFER_ROOT', str(tmp_path))
    monkeypatch.setenv('BERT_PATH', vocabulary)
    leaf = Config.fromfile(ROOT / 'configs' / 'magnet_swinb_grefcoco.py')
    assert leaf.default_hooks.checkpoint.save_best == 'gIoU'
    train = DATASETS.build(leaf.train_dataloader.dataset)
    assert len(train) == 1 and train[0]['inputs'].shape == (3, 480, 480)
    val = DATASETS.build(leaf.val_dataloader.dataset)
    assert [sample['data_samples'].no_target for sample in val].count(True) == 1


def test_checker(config, tmp_path):
    result = check_root(tmp_path, images=True)
    [file] = result.refs_files
    assert (file.name, file.published) == ('grefcoco (unc)', None)
    assert {name: tuple(split.counts) for name, split in file.splits.items()} == {
        'train': (1, 1, 2),
        'val': (4, 3, 5),
    }
    # the tiny file's annotations have no category, and one image is in train and val
    assert {one.problem for one in result.findings if one.level == 'error'} == {
        'annotations have a category that "categories" does not list.',
        '1 images are in train and in val.',
    }


def test_to_json_lines(config, tmp_path, pipeline):
    folder = tmp_path / 'grefcoco'
    out = tmp_path / 'own.jsonl'
    assert refcoco_to_jsonl(folder / 'instances.json', folder / 'grefs(unc).json', out) == 5
    records = read_jsonl(str(out))
    assert [record['no_target'] for record in records] == [False, False, True, False, False]
    own = DATASETS.build(
        dict(
            type='JsonLinesReferringDataset',
            data_root=str(tmp_path),
            ann_file='own.jsonl',
            data_prefix=dict(img_path=config[0]['data_prefix']['img_path']),
            split='val',
            test_mode=True,
            pipeline=pipeline[:2],
        )
    )
    original = DATASETS.build(dict(config[0], pipeline=pipeline[:2], test_mode=True))
    for one, other in zip(own, original, strict=True):
        np.testing.assert_array_equal(one['gt_seg_map'], other['gt_seg_map'])
        for key in ('expression', 'kind', 'ref_id', 'sent_id', 'no_target', 'split'):
            assert one[key] == other[key]


def test_images_held_out_by_grefcoco_are_excluded(config, write_data, refs, instances):
    """Images 1 to 3 are in its val split; a fourth is not."""
    instances['images'].append(dict(instances['images'][0], id=4))
    instances['annotations'].append(dict(instances['annotations'][0], id=41, image_id=4))
    train = [ref for ref in refs if ref['split'] == 'train']
    free = dict(copy.deepcopy(train[0]), ref_id=99, ann_id=41, image_id=4)
    plain = write_data([*train, free], instances)
    dataset = DATASETS.build(
        dict(
            plain,
            type='ReferringDataset',
            pipeline=[],
            exclude=[dict(refs_file='grefcoco/grefs(unc).json')],
        )
    )
    assert [info['ref_id'] for info in dataset] == [99]


@pytest.mark.parametrize('form', ['json', 'p'])
@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda ref: ref['sentences'].append(ref['sentences'][0]), 'has sentence 100 twice'),
        (lambda ref: ref['sentences'][0].update(kind='left/right'), 'should be a short label'),
        (lambda ref: ref.update(ref_id=2**70), '64 bits cannot hold'),
        (lambda ref: ref['sentences'][0].update(sent_id=True), '"sent_id" must be int, found bool'),
    ],
)
def test_truth_5_the_checks_of_refcoco_hold_for_grefcoco(tmp_path, grefs, form, change, message):
    change(grefs[0])
    path = tmp_path / f'grefs(unc).{form}'
    path.write_bytes(pickle.dumps(grefs, 2) if form == 'p' else json.dumps(grefs).encode())
    for generalized in (True, None):
        with pytest.raises(DataError, match=message):
            read_refs(str(path), generalized)


def test_truth_5_sizes_are_checked(config, instances):
    instances['images'][0].update(height=10**6, width=10**6)
    config[1](content=instances)
    with pytest.raises(DataError, match='which is no image'):
        DATASETS.build(config[0])


def test_truth_5_the_wrong_dataset_type_is_named(config):
    arguments = dict(config[0], type='ReferringDataset')
    with pytest.raises(DataError, match="set type='GeneralizedReferringDataset'|For gRefCOCO"):
        DATASETS.build(arguments)


def test_truth_26_a_ref_without_sentences_is_skipped_and_counted(
    config, grefs, tmp_path, monkeypatch
):
    grefs[1]['sentences'] = []
    grefs[2]['sentences'] = []
    config[1](grefs)
    said = []
    monkeypatch.setattr(refs_reader, 'print_log', lambda text, **more: said.append(text))
    dataset = DATASETS.build(dict(config[0], test_mode=True, pipeline=[]))
    assert {info['ref_id'] for info in dataset} == {4, 5}
    assert len(said) == 1 and '2 of 5 refs have no sentence and are left out' in said[0]
    result = check_root(tmp_path)
    [found] = [one for one in result.findings if 'no sentence' in one.problem]
    assert (found.level, found.count) == ('warning', 2)
    assert sum(split.refs for split in result.refs_files[0].splits.values()) == 3
