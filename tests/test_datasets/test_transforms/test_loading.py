# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The mask transform, and the resizing that follows it."""

import numpy as np
import pytest
from mmseg.registry import TRANSFORMS
from PIL import Image, ImageDraw

from magnet_mm.datasets.transforms.loading import LoadReferringImage, LoadReferringMask
from magnet_mm.errors import DataError


def _results(**changes) -> dict:
    return {
        'img_path': 'a.jpg',
        'ref_id': 3,
        'ann_id': 9,
        'ann_file': 'instances.json',
        'height': 5,
        'width': 6,
        'ori_shape': (5, 6),
        'segmentation': [[1, 1, 4, 1, 4, 3, 1, 3]],
        **changes,
    }


def test_mask_and_rle():
    results = TRANSFORMS.build(dict(type='LoadReferringMask'))(_results(seg_fields=[]))
    expected = np.zeros((5, 6), np.uint8)
    expected[1:3, 1:4] = 1
    np.testing.assert_array_equal(results['gt_seg_map'], expected)
    assert results['gt_seg_map'].dtype == np.uint8
    assert results['gt_rle']['size'] == [5, 6]
    assert results['seg_fields'] == ['gt_seg_map'] and 'segmentation' not in results


def test_messages_name_file_and_ref():
    load = TRANSFORMS.build(dict(type='LoadReferringMask'))
    with pytest.raises(DataError, match=r'a.jpg is \(6, 5\).*instances.json says \(5, 6\).*ref 3'):
        load(_results(ori_shape=(6, 5)))
    with pytest.raises(DataError, match='instances.json: annotation 9 of ref 3: the RLE has size'):
        load(_results(segmentation=dict(size=[6, 5], counts=[30])))


@pytest.mark.parametrize(('width', 'height'), [(37, 53), (640, 427), (128, 128), (900, 100)])
def test_resize_equals_pillow(width, height):
    """mmcv's `backend='pillow'` resizes the mask with Pillow's nearest, the image bilinearly."""
    rng = np.random.default_rng(width)
    drawing = Image.new('L', (width, height))
    draw = ImageDraw.Draw(drawing)
    for _ in range(5):
        x, y = rng.integers(0, width), rng.integers(0, height)
        draw.ellipse([x, y, x + rng.integers(2, 40), y + rng.integers(2, 20)], fill=1)
    mask = np.array(drawing)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    resize = TRANSFORMS.build(
        dict(type='Resize', scale=(480, 480), keep_ratio=False, backend='pillow')
    )
    results = resize(dict(img=image, gt_seg_map=mask, seg_fields=['gt_seg_map']))
    nearest = np.array(drawing.resize((480, 480), Image.Resampling.NEAREST))
    bilinear = np.array(Image.fromarray(image).resize((480, 480), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(results['gt_seg_map'], nearest)
    np.testing.assert_array_equal(results['img'], bilinear)
    assert results['gt_seg_map'].dtype == np.uint8 and nearest.any()


def _sized(tmp_path, image, annotated, mask):
    Image.new('RGB', (8, image)).save(tmp_path / 'a.png')
    counts = [0, 1, mask * 8 - 1]
    return dict(
        img_path=str(tmp_path / 'a.png'),
        height=annotated,
        width=8,
        segmentation=[dict(size=[mask, 8], counts=counts)],
        ann_file='instances.json',
        ref_id=3,
        ann_id=7,
    )


@pytest.mark.parametrize(('image', 'annotated', 'mask'), [(9, 8, 8), (9, 9, 8), (8, 8, 9)])
def test_truth_28_image_and_mask_that_differ_by_a_row(tmp_path, image, annotated, mask):
    def load(tolerance):
        results = LoadReferringImage(size_tolerance=tolerance)(
            _sized(tmp_path, image, annotated, mask)
        )
        return LoadReferringMask(size_tolerance=tolerance)(results)

    with pytest.raises(DataError, match='size_tolerance=1 of LoadReferringImage and') as caught:
        load(0)
    assert 'COCO' not in str(caught.value)
    results = load(1)
    assert results['gt_seg_map'].shape == results['img'].shape[:2] == (image, 8)
    assert results['gt_seg_map'][0, 0] == results['gt_seg_map'].sum() == 1
    assert results['gt_rle']['size'] == [image, 8]
