# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Own data in JSON lines: every form of a mask, ids, splits, drawn sentences, unsafe paths."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image
from pycocotools import mask as coco_mask

from magnet_mm.data_tools.checking import check_root
from magnet_mm.datasets import EpochIndex
from magnet_mm.datasets.annotations.jsonl_annotations import parse_line, read_jsonl
from magnet_mm.datasets.sentence_sampling import draw_sentence
from magnet_mm.errors import ConfigError, DataError

HEIGHT, WIDTH = 30, 40
BOX = np.zeros((HEIGHT, WIDTH), np.uint8)
BOX[5:15, 10:30] = 1
POLYGON = [10, 5, 30, 5, 30, 15, 10, 15]
RUNS = [10 * HEIGHT + 5, *[10, HEIGHT - 10] * 19, 10, HEIGHT - 15 + 10 * HEIGHT]
COMPRESSED = coco_mask.encode(np.asfortranarray(BOX))['counts'].decode()


def rle(counts):
    return {'size': [HEIGHT, WIDTH], 'counts': counts}


@pytest.fixture
def root(tmp_path):
    """Two images and two mask PNGs."""
    (tmp_path / 'images').mkdir()
    (tmp_path / 'masks').mkdir()
    for name in ('a.jpg', 'b.png'):
        pixels = np.random.default_rng(len(name)).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / 'images' / name)
    Image.fromarray(BOX * 255).save(tmp_path / 'masks' / 'grey.png')
    Image.fromarray(BOX.astype(bool)).save(tmp_path / 'masks' / 'bilevel.png')
    return tmp_path


def write(root, *lines, name='train.jsonl'):
    text = '\n'.join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (root / name).write_text(text + '\n', encoding='utf-8')
    return dict(type='JsonLinesReferringDataset', data_root=str(root), ann_file=name)


def line(mask=POLYGON, **fields):
    return {'image': 'images/a.jpg', 'expression': 'the box', 'mask': mask, **fields}


def without(name):
    return {key: value for key, value in line().items() if key != name}


@pytest.mark.parametrize(
    'mask',
    [POLYGON, [POLYGON], [POLYGON, POLYGON], rle(RUNS), rle(COMPRESSED), 'masks/grey.png',
     'masks/bilevel.png'],
    ids=['polygon', 'polygons', 'overlapping', 'runs', 'compressed', 'grey', 'bilevel'],
)  # fmt: skip
def test_every_form_of_a_mask_is_the_same_box(root, pipeline, mask):
    dataset = DATASETS.build(dict(write(root, line(mask)), pipeline=pipeline[:2]))
    sample = dataset[0]
    np.testing.assert_array_equal(sample['gt_seg_map'], BOX)
    assert sample['gt_rle'] == coco_mask.encode(np.asfortranarray(BOX))


def test_null_means_nothing(root, pipeline):
    dataset = DATASETS.build(dict(write(root, line(None)), pipeline=pipeline, test_mode=True))
    sample = dataset[0]['data_samples']
    assert sample.no_target is True and sample.gt_sem_seg.data.sum() == 0
    assert sample.gt_sem_seg.shape == (12, 16)


def test_the_pipeline_of_the_configs(root, pipeline):
    config = write(root, line(kind='place'), line('masks/grey.png', image='images/b.png'))
    dataset = DATASETS.build(dict(config, pipeline=pipeline, test_mode=True))
    sample = dataset[1]['data_samples']
    assert len(dataset) == 2 and dataset[1]['inputs'].shape == (3, 12, 16)
    assert (sample.dataset_name, sample.split, sample.expression) == (
        root.name,
        'train',
        'the box',
    )
    assert dataset[0]['data_samples'].kind == 'place' and sample.kind is None
    assert sample.ori_shape == (HEIGHT, WIDTH) and sample.img_path.endswith('b.png')


def test_sentences_are_drawn_per_epoch(root):
    texts = ['one', 'two', 'three', 'four']
    data = {key: value for key, value in line().items() if key != 'expression'}
    config = write(root, line(), {**data, 'expressions': texts, 'kind': ['a', 'b', 'c', 'd']})
    dataset = DATASETS.build(dict(config, pipeline=[]))
    drawn = [dataset[EpochIndex(1, epoch, 7)] for epoch in range(20)]
    expected = [draw_sentence(4, 7, epoch, 1) for epoch in range(20)]
    assert [one['expression'] for one in drawn] == [texts[k] for k in expected]
    assert [one['sent_id'] for one in drawn] == [1 + k for k in expected]
    assert [one['kind'] for one in drawn] == ['abcd'[k] for k in expected]
    assert len(set(expected)) > 2


def test_default_ids(root):
    write(root, line(), '', line(image='images/b.png'), line(expression='other'))
    first, second, third = read_jsonl(str(root / 'train.jsonl'))
    assert [r['img_id'] for r in (first, second, third)] == [-1, -2, -1]
    assert [r['ref_id'] for r in (first, second, third)] == [1, 3, 4]
    assert third['ann_id'] == 4 and third['sentences'][0]['sent_id'] == 2


def test_given_ids(root):
    write(root, line(ref_id=9, ann_id=8, image_id=7, sent_ids=[6], split='val', category='cup'))
    [record] = read_jsonl(str(root / 'train.jsonl'))
    assert (record['ref_id'], record['ann_id'], record['img_id']) == (9, 8, 7)
    assert record['sentences'] == [dict(raw='the box', kind=None, sent_id=6)]
    assert (record['split'], record['category']) == ('val', 'cup')


def test_controls_and_splits(root):
    config = write(
        root,
        line(ann_id=1, split='train'),
        line(ann_id=1, split='val', expression='first'),
        line('masks/grey.png', ann_id=2, split='val', expression='second'),
    )
    shuffled = DATASETS.build(dict(config, split='val_shuffled', test_mode=True, pipeline=[]))
    assert [shuffled[k]['expression'] for k in range(2)] == ['second', 'first']
    assert shuffled[0]['split'] == 'val_shuffled'
    blank = DATASETS.build(dict(config, split='val_blank', test_mode=True, pipeline=[]))
    assert [blank[k]['expression'] for k in range(2)] == ['', '']
    with pytest.raises(DataError, match='no line belongs to split "testA".*are: train, val'):
        DATASETS.build(dict(config, split='testA'))
    with pytest.raises(ConfigError, match='control'):
        DATASETS.build(dict(config, split='val_blank'))


BAD_LINES = [
    ('{"image": ', 'line 2: not valid JSON'),
    ('[' * 100_000, 'line 2: not valid JSON'),
    ('[1]', 'expected an object'),
    (without('image'), '"image" must be the path'),
    (without('mask'), 'there is no "mask"; write null'),
    (without('expression'), 'give "expression"'),
    (line(expressions=['b']), 'give "expression"'),
    ({**without('expression'), 'expressions': []}, 'at least one'),
    (line(expression=3), 'must be strings'),
    (line(maks=1), r"unknown field\(s\) \['maks'\]"),
    (line([1, 2, 3, 4]), 'at least 3 points'),
    (line([]), 'neither a non-empty list'),
    (line([1, 2, 3, 4, 5, 'x']), 'no finite number'),
    (line([1, 2, 3, 4, 5, float('inf')]), 'no finite number'),
    (line([1, 2, 3, 4, 5, 10**400]), 'no finite number'),
    (line({'counts': 'x'}), '"size"'),
    (line(kind=['a', 'b']), 'one string per expression'),
    (line(kind='left/right'), '"kind" should be a short label'),
    (line(sent_ids=[1, 2]), 'one whole number per expression'),
    (line(ref_id='7'), '"ref_id" must be a whole number'),
    (line(image_id=True), '"image_id" must be a whole number'),
    (line(split=1), '"split" must be a string'),
    (line(ref_id=1), 'ref_id 1 is already in line 1'),
    (line(split='val'), '1 of 2 lines have a "split"'),
]


@pytest.mark.parametrize(('bad', 'message'), BAD_LINES, ids=[m for _, m in BAD_LINES])
def test_bad_lines_are_named(root, bad, message):
    config = write(root, line(), bad)
    with pytest.raises(DataError, match=message) as error:
        DATASETS.build(config)
    assert 'train.jsonl' in str(error.value)
    result = check_root(root)
    assert not result.ok
    problems = ' '.join(one.problem for one in result.findings)
    assert 'line 2' in problems or 'lines have a "split"' in problems


@pytest.mark.parametrize(
    ('content', 'message'),
    [(b'', 'no line'), (b'\xff\xfe{}', 'not UTF-8'), (None, 'cannot be read')],
)
def test_bad_files(tmp_path, content, message):
    path = tmp_path / 'own.jsonl'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_jsonl(str(path))


def test_byte_order_mark_is_accepted(root):
    text = json.dumps(line(expression='größer'), ensure_ascii=False)
    (root / 'own.jsonl').write_text(text, encoding='utf-8-sig')
    assert read_jsonl(str(root / 'own.jsonl'))[0]['sentences'][0]['raw'] == 'größer'


@pytest.mark.parametrize('field', ['image', 'mask'])
@pytest.mark.parametrize('escape', ['parent', 'inner', 'absolute', 'link', 'linked folder', 'null'])
def test_paths_stay_in_the_data_root(root, tmp_path_factory, field, escape):
    outside = tmp_path_factory.mktemp('outside')
    Image.fromarray(BOX * 255).save(outside / 'secret.png')
    os.symlink(outside / 'secret.png', root / 'link.png')
    os.symlink(outside, root / 'folder')
    path = {
        'parent': f'../{outside.name}/secret.png',
        'inner': f'masks/../../{outside.name}/secret.png',
        'absolute': str(outside / 'secret.png'),
        'link': 'link.png',
        'linked folder': 'folder/secret.png',
        'null': 'a\0.png',
    }[escape]
    config = write(root, {**line(), field: path})
    with pytest.raises(DataError, match=f'"{field}".*(leads out of|is no path)'):
        DATASETS.build(config)
    assert not check_root(root).ok


def test_links_inside_and_a_linked_data_root_are_fine(root, tmp_path_factory, pipeline):
    os.symlink(root / 'masks', root / 'same')
    linked = tmp_path_factory.mktemp('elsewhere') / 'root'
    os.symlink(root, linked)
    write(root, line('same/grey.png'))
    config = dict(type='JsonLinesReferringDataset', data_root=str(linked), ann_file='train.jsonl')
    dataset = DATASETS.build(dict(config, pipeline=pipeline[:2]))
    assert dataset[0]['gt_seg_map'].sum() == BOX.sum()


@pytest.mark.parametrize(
    ('mask', 'message'),
    [
        ('masks/small.png', r'size \[3, 4\] but the image is \[30, 40\] \(height, width\)'),
        ('masks/colour.png', 'has 3 channels'),
        ('masks/absent.png', 'cannot be read'),
        ('masks/broken.png', 'cannot be read'),
        (rle([HEIGHT * WIDTH - 1]), 'do not add up'),
        ({'size': [10**9, 10**9], 'counts': [10**18]}, 'at most 268435456 pixels'),
    ],
)
def test_masks_that_do_not_fit(root, pipeline, mask, message):
    Image.fromarray(BOX[:3, :4]).save(root / 'masks' / 'small.png')
    Image.new('RGB', (WIDTH, HEIGHT)).save(root / 'masks' / 'colour.png')
    (root / 'masks' / 'broken.png').write_bytes((root / 'masks' / 'grey.png').read_bytes()[:60])
    config = dict(write(root, line(mask)), pipeline=pipeline[:2])
    with pytest.raises(DataError, match=message):
        DATASETS.build(config)[0]
    assert not check_root(root).ok


def test_checker_on_own_data(root):
    write(root, line(), line('masks/grey.png', image='images/b.png', expression=' '))
    write(root, line(image='images/absent.jpg'), line([0, 0, 1, 0, 0, 0]), name='val.jsonl')
    result = check_root(root, images=True)
    assert [file.to_dict() for file in result.own] == [
        dict(file='train.jsonl', splits=[], refs=2, images=2, expressions=2),
        dict(file='val.jsonl', splits=[], refs=2, images=2, expressions=2),
    ]
    assert [file.present for file in result.own] == ['2 of 2', '1 of 2']
    assert {(one.level, one.where, one.problem) for one in result.findings} == {
        ('warning', 'train.jsonl', 'expressions are empty.'),
        ('error', 'val.jsonl', 'image files are missing.'),
        ('error', 'val.jsonl', 'masks are empty: no pixel.'),
    }
    (root / 'val.jsonl').unlink()
    assert check_root(root, images=True).ok


def test_own_data_mixed_with_refcoco(root, write_data, refs):
    """Its own image numbers never meet COCO's, so nothing of it is excluded."""
    refer = write_data([ref for ref in refs if ref['split'] != 'testA'])
    own = write(root, line(), line(image='images/b.png'))
    mixed = DATASETS.build(
        dict(
            type='MixedReferringDataset',
            datasets=[
                dict(refer, type='ReferringDataset', pipeline=[]),
                dict(own, pipeline=[]),
            ],
        )
    )
    assert [len(one) for one in mixed.datasets] == [3, 2]  # image 3 is held out of RefCOCO


def test_parse_line_gives_the_sentence_kinds():
    text = json.dumps({**without('expression'), 'expressions': ['a', 'b'], 'kind': ['x', None]})
    assert [s['kind'] for s in parse_line(text, 'here')['sentences']] == ['x', None]


@pytest.mark.parametrize('kind', ['left/right', '', 'x' * 41, 'a\x1b[2J', 7, ['ok', 'left/right']])
def test_truth_24_a_kind_that_no_table_can_hold_is_refused_on_reading(root, kind):
    config = write(root, {**without('expression'), 'expressions': ['a', 'b'], 'kind': kind})
    with pytest.raises(DataError, match='line 1: "kind" should be a short label'):
        DATASETS.build(config)
    result = check_root(root)
    assert not result.ok
    assert any('"kind" should be a short label' in one.problem for one in result.findings)


def test_truth_27_a_list_of_rles_as_mask(root, pipeline):
    parts = [
        dict(size=[HEIGHT, WIDTH], counts=[HEIGHT * WIDTH - 1, 1]),
        dict(size=[HEIGHT, WIDTH], counts=[0, 1, HEIGHT * WIDTH - 1]),
    ]
    dataset = DATASETS.build(dict(write(root, line(parts)), pipeline=pipeline[:2]))
    mask = dataset[0]['gt_seg_map']
    assert mask.sum() == 2 and mask[0, 0] == mask[-1, -1] == 1
    assert check_root(root).ok
