# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Refs, annotations and images are joined; what does not fit is named."""

import os.path as osp

import pytest

from magnet_mm.datasets.annotations.refer_annotations import load_records
from magnet_mm.datasets.annotations.refs_reader import read_refs
from magnet_mm.errors import DataError


def _paths(data: dict) -> tuple[str, str]:
    return (
        osp.join(data['data_root'], data['ann_file']),
        osp.join(data['data_root'], data['refs_file']),
    )


@pytest.mark.parametrize('protocol', [0, 2])
def test_records_are_joined_by_ref(write_data, instances, protocol):
    ann_file, refs_file = _paths(write_data(protocol=protocol))
    records = load_records(ann_file, refs_file, 'train')
    assert [record['ref_id'] for record in records] == [1, 2, 3, 8]
    assert [record['ann_id'] for record in records] == [11, 11, 12, 31]  # two refs, one object
    assert records[2] == dict(
        ref_id=3,
        ann_id=12,
        img_id=1,
        file_name='COCO_train2014_1.jpg',  # of instances.json, not the mangled one
        height=30,
        width=40,
        category=None,
        segmentation=instances['annotations'][1]['segmentation'],
        sentences=[
            dict(raw='das größere Quadrat', sent_id=30, kind='attribute'),
            dict(raw='右', sent_id=31, kind='place'),
        ],
    )
    assert records[0]['sentences'][0]['raw'] == 'the Red square '  # raw: case and space are kept


def test_refs_without_kind(write_data, refs):
    for ref in refs:
        for sentence in ref['sentences']:
            del sentence['kind']
    record = load_records(*_paths(write_data(refs)), 'testA')[0]
    assert record['sentences'] == [dict(raw='two squares', sent_id=70, kind=None)]


def test_unknown_split_lists_the_splits(write_data):
    ann_file, refs_file = _paths(write_data())
    with pytest.raises(DataError, match='"testB".*are: testA, train, val') as caught:
        load_records(ann_file, refs_file, 'testB')
    assert refs_file in str(caught.value)


def test_ref_without_annotation(write_data, instances):
    instances['annotations'] = [one for one in instances['annotations'] if one['id'] != 12]
    ann_file, refs_file = _paths(write_data(instances=instances))
    with pytest.raises(DataError, match='ref 3 points to annotation 12') as caught:
        load_records(ann_file, refs_file, 'train')
    assert ann_file in str(caught.value) and refs_file in str(caught.value)


def test_annotation_without_image(write_data, instances):
    instances['images'] = instances['images'][:2]
    ann_file, refs_file = _paths(write_data(instances=instances))
    with pytest.raises(DataError, match=r'ref 6 points to image 3 \(annotation 31\)') as caught:
        load_records(ann_file, refs_file, 'val')
    assert ann_file in str(caught.value) and refs_file in str(caught.value)


def test_annotation_on_another_image(write_data, instances):
    instances['annotations'][4]['image_id'] = 2
    with pytest.raises(DataError, match='ref 6 is on image 3, but its annotation 31'):
        load_records(*_paths(write_data(instances=instances)), 'val')


def test_malformed_segmentation_is_found_at_load(write_data, instances):
    instances['annotations'][4]['segmentation'] = [[1, 2, 3, 4]]
    with pytest.raises(DataError, match='annotation 31 of ref 6.*at least 3 points'):
        load_records(*_paths(write_data(instances=instances)), 'val')


def test_missing_and_damaged_instances(write_data, tmp_path):
    ann_file, refs_file = _paths(write_data())
    with pytest.raises(DataError, match='none.json: the annotation file cannot be read.*data_root'):
        load_records(str(tmp_path / 'none.json'), refs_file, 'val')
    damaged = tmp_path / 'damaged.json'
    with open(ann_file, encoding='utf-8') as file:
        damaged.write_text(file.read()[:-20])
    with pytest.raises(DataError, match='damaged.json: not valid JSON.*download'):
        load_records(str(damaged), refs_file, 'val')
    damaged.write_text('{"images": []}')
    with pytest.raises(DataError, match='"images" and "annotations"'):
        load_records(str(damaged), refs_file, 'val')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda ref: ref.pop('split'), 'ref number 1: field "split" must be str, found nothing'),
        (lambda ref: ref.update(ann_id=[11]), 'field "ann_id" must be int, found list'),
        (lambda ref: ref.update(sentences=[]), 'ref 2 has no sentence'),
        (lambda ref: ref['sentences'][0].update(raw=5), 'ref 2, sentence: field "raw" must be str'),
        (lambda ref: ref.update(ref_id=1), 'ref 1 occurs twice'),
    ],
)
def test_malformed_refs(write_data, refs, change, message):
    change(refs[1])
    with pytest.raises(DataError, match=message):
        read_refs(_paths(write_data(refs))[1], generalized=False)


def test_refs_file_that_is_no_list(write_data):
    with pytest.raises(DataError, match='non-empty list of refs, found dict'):
        read_refs(_paths(write_data({'refs': 1}))[1])
