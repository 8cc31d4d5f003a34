# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Per-item results: what is written is read again, and damaged files are named."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from magnet_mm.errors import DataError
from magnet_mm.evaluation import decode_mask, encode_mask, items_file, read_items, write_items

MASK = np.array([[0, 1, 1], [0, 0, 1]], dtype=np.uint8)


def make_item(sent_id=0, **changes):
    return {
        'dataset_name': 'refcoco',
        'split': 'testA',
        'ref_id': 5,
        'sent_id': sent_id,
        'expression': 'the left one',
        'kind': None,
        'intersection': 2,
        'union': 3,
        'iou': 2 / 3,
        'prediction': encode_mask(MASK),
    } | changes


def test_round_trip(tmp_path):
    items = [make_item(4, expression='naïve \ud800 \u2028 ende\n'), make_item(2, kind='place')]
    path = tmp_path / 'new' / 'items.jsonl'
    write_items(path, items)
    assert read_items(path) == items
    assert len(path.read_text().splitlines()) == 2
    assert [file.name for file in path.parent.iterdir()] == ['items.jsonl']


def test_masks():
    rle = encode_mask(MASK)
    # Column by column: 2 zeros, 1 one, 1 zero, 2 ones.
    assert rle == {
        'size': [2, 3],
        'counts': coco_mask.frPyObjects({'size': [2, 3], 'counts': [2, 1, 1, 2]}, 2, 3)[
            'counts'
        ].decode(),
    }
    assert decode_mask(rle).tolist() == MASK.tolist()
    assert decode_mask({'size': [2, 3], 'counts': rle['counts'].encode()}).tolist() == MASK.tolist()
    assert encode_mask(MASK.astype(bool)) == rle
    assert decode_mask(encode_mask(np.zeros((3, 2)))).tolist() == [[0, 0]] * 3


@pytest.mark.parametrize(
    'rle',
    [
        {'size': [2, 3]},
        {'counts': '11'},
        {'size': 2, 'counts': '11'},
        None,
        {'size': [2, 3], 'counts': 5},
        {'size': [1, 1], 'counts': 'oooo0'},
    ],
)
def test_not_an_rle(rle):
    with pytest.raises(DataError, match='not a COCO compressed RLE'):
        decode_mask(rle)


def test_file_names(tmp_path):
    assert items_file('out', 'refcoco+', 'val').as_posix() == 'out/items_refcoco+_val.jsonl'
    name = items_file(tmp_path, '../a b', 'val').name
    assert name == 'items_..-a-b_val.jsonl'


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r'no per-item results at .*none.jsonl.*--out'):
        read_items(tmp_path / 'none.jsonl')


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('{"ref_id": 1', 'line 2: not valid JSON'),
        ('[1, 2]', 'line 2: expected an object'),
        (json.dumps(make_item(1, ref_id='5')), "line 2: field 'ref_id' should be int, got '5'"),
        (json.dumps(make_item(1, prediction=None)), "line 2: field 'prediction' should be dict"),
        (json.dumps({'ref_id': 1}), "line 2: field 'dataset_name' should be str, got None"),
        (json.dumps(make_item(0)), 'line 2: ref_id 5, sent_id 0 is already in line 1'),
    ],
)
def test_damaged_files(tmp_path, line, message):
    path = tmp_path / 'items.jsonl'
    path.write_text(json.dumps(make_item(0)) + '\n' + line + '\n')
    with pytest.raises(DataError, match=message):
        read_items(path)
