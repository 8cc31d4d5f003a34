# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What annotation programs write becomes JSON lines with the same masks."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from magnet_mm.data_tools.conversion import coco_to_jsonl, labelme_to_jsonl, masks_to_jsonl
from magnet_mm.datasets.annotations.jsonl_annotations import read_jsonl
from magnet_mm.datasets.annotations.target_masks import target_rle
from magnet_mm.errors import DataError
from magnet_mm.evaluation import decode_mask


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]


def area(record):
    rle = target_rle(record, 6, 8, 'here')
    return int(decode_mask(dict(rle, counts=rle['counts'].decode())).sum())


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(np.array(pixels, np.uint8)).save(buffer, 'PNG')
    return base64.b64encode(buffer.getvalue()).decode()


def labelme(tmp_path, *shapes, image='photos\\a.png'):
    content = dict(version='5.5', imagePath=image, imageHeight=6, imageWidth=8, shapes=shapes)
    (tmp_path / 'a.json').write_text(json.dumps(content))


def test_labelme(tmp_path):
    labelme(
        tmp_path,
        dict(label='mug', description='the red mug', shape_type='polygon', group_id=None,
             points=[[0, 0], [4, 0], [4, 4], [0, 4]]),
        dict(label='pens', description='', shape_type='rectangle', points=[[7, 5], [5, 3]],
             group_id=1),
        dict(label='pens', shape_type='rectangle', points=[[0, 4], [2, 6]], group_id=1),
        dict(label='dot', shape_type='mask', points=[[2, 3], [3, 4]],
             mask=png([[0, 255], [255, 255]])),
        dict(label='coin', shape_type='circle', points=[[4, 3], [6, 3]]),
    )  # fmt: skip
    out = tmp_path / 'own.jsonl'
    assert labelme_to_jsonl(tmp_path, tmp_path, out) == 4
    records = read_jsonl(str(out))
    assert [record['sentences'][0]['raw'] for record in records] == [
        'the red mug', 'pens', 'dot', 'coin'
    ]  # fmt: skip
    assert {record['file_name'] for record in records} == {'photos/a.png'}
    assert [area(record) for record in records[:3]] == [16, 8, 3]
    assert 10 <= area(records[3]) <= 14  # pi * 2 * 2
    mask = decode_mask(records[2]['segmentation'])
    assert mask[3:5, 2:4].tolist() == [[0, 1], [1, 1]]
    with pytest.raises(DataError, match='exists'):
        labelme_to_jsonl(tmp_path, tmp_path, out)


@pytest.mark.parametrize(
    ('shape', 'told'),
    [
        (dict(label='a', shape_type='line', points=[[0, 0], [1, 1]]), "a 'line' has no area"),
        (dict(label=' ', points=[[0, 0], [1, 1], [1, 0]]), 'neither "description" nor "label"'),
        (dict(label='a', points=[[0, 0], ['x', 1]]), 'polygon cannot be read'),
        (dict(label='a', shape_type='circle', points=[[0, 0]]), 'circle cannot be read'),
        (dict(label='a', shape_type='mask', points=[[7, 5], [8, 6]], mask=png([[1, 1], [1, 1]])),
         'reaches beyond the image'),
        ('text', 'not an object'),
    ],
)  # fmt: skip
def test_labelme_shapes_that_are_no_areas(shape, told, tmp_path):
    labelme(tmp_path, shape)
    with pytest.raises(DataError, match=told) as raised:
        labelme_to_jsonl(tmp_path, tmp_path, tmp_path / 'own.jsonl')
    assert 'a.json, shape 1' in str(raised.value)
    assert not (tmp_path / 'own.jsonl').exists()


def test_folders_without_labelme(tmp_path):
    with pytest.raises(DataError, match='no .json file of LabelMe'):
        labelme_to_jsonl(tmp_path, tmp_path, tmp_path / 'own.jsonl')
    (tmp_path / 'b.json').write_text('{"images": []}')
    with pytest.raises(DataError, match='not a file of LabelMe'):
        labelme_to_jsonl(tmp_path, tmp_path, tmp_path / 'own.jsonl')


def test_cvat_writes_sentences_into_attributes(tmp_path):
    square = [[0, 0, 2, 0, 2, 2, 0, 2]]
    content = dict(
        images=[dict(id=1, file_name='a.png', height=6, width=8)],
        categories=[dict(id=1, name='mug')],
        annotations=[
            dict(id=5, image_id=1, category_id=1, segmentation=square,
                 attributes=dict(occluded=False, expression='the red mug')),
            dict(id=6, image_id=1, category_id=1, segmentation=square,
                 attributes=dict(occluded=True)),
            dict(id=7, image_id=1, category_id=1, segmentation=square, caption='left mug'),
        ],
    )  # fmt: skip
    (tmp_path / 'instances.json').write_text(json.dumps(content))
    assert coco_to_jsonl(tmp_path / 'instances.json', None, tmp_path / 'own.jsonl') == 2
    assert [(line['ann_id'], line['expressions']) for line in lines_of(tmp_path / 'own.jsonl')] == [
        (5, ['the red mug']), (7, ['left mug'])
    ]  # fmt: skip
    content['annotations'] = content['annotations'][1:2]
    (tmp_path / 'instances.json').write_text(json.dumps(content))
    with pytest.raises(DataError, match='no annotation has a sentence'):
        coco_to_jsonl(tmp_path / 'instances.json', None, tmp_path / 'other.jsonl')


def test_masks_named_as_their_images(tmp_path):
    (tmp_path / 'masks').mkdir()
    for name in ('a.png', 'b_2.png'):
        Image.new('L', (8, 6), 255).save(tmp_path / 'masks' / name)
    table = tmp_path / 'sentences.csv'
    table.write_text(
        'image,expression,mask,split\n'
        'a.jpg,the mug,,train\nb.jpg,"pens, two",b_2.png,val\nb.jpg,a cat,none,val\n'
    )
    assert masks_to_jsonl(table, tmp_path / 'masks', tmp_path / 'own.jsonl') == 3
    assert lines_of(tmp_path / 'own.jsonl') == [
        dict(image='a.jpg', expression='the mug', mask='a.png', split='train'),
        dict(image='b.jpg', expression='pens, two', mask='b_2.png', split='val'),
        dict(image='b.jpg', expression='a cat', mask=None, split='val'),
    ]
    for text, told in (
        ('image,expression\nc.jpg,x\n', r'line 2: there is no mask .*c\.png'),
        ('image,expression\n,x\n', 'line 2: image and expression'),
        ('picture,text\n', 'must name the columns'),
    ):
        table.write_text(text)
        with pytest.raises(DataError, match=told):
            masks_to_jsonl(table, tmp_path / 'masks', tmp_path / 'other.jsonl')
