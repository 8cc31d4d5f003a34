# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Polygons and both RLE forms give the right pixels; damaged ones are refused."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from magnet_mm.datasets.annotations.masks import rle_to_mask, segmentation_to_rle
from magnet_mm.errors import DataError


def _decode(segmentation, height=6, width=8):
    rle = segmentation_to_rle(segmentation, height, width, 'a.json: annotation 1')
    assert rle['size'] == [height, width] and isinstance(rle['counts'], bytes)
    return rle_to_mask(rle)


def test_polygon_square():
    expected = np.zeros((6, 8), np.uint8)
    expected[1:4, 2:6] = 1
    mask = _decode([[2, 1, 6, 1, 6, 4, 2, 4]])
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, expected)


def test_overlapping_polygon_parts_are_united():
    expected = np.zeros((6, 8), np.uint8)
    expected[0:3, 0:4] = 1
    expected[1:5, 2:6] = 1  # the overlap, rows 1-2 and columns 2-3, stays foreground
    parts = [[0, 0, 4, 0, 4, 3, 0, 3], [2, 1, 6, 1, 6, 5, 2, 5]]
    np.testing.assert_array_equal(_decode(parts), expected)


def test_uncompressed_rle_is_column_by_column():
    # 7 zeros, then 3 ones: column 1, rows 1 to 3 of a 6-row image
    expected = np.zeros((6, 8), np.uint8)
    expected[1:4, 1] = 1
    np.testing.assert_array_equal(_decode(dict(size=[6, 8], counts=[7, 3, 38])), expected)


@pytest.mark.parametrize('as_text', [True, False])
def test_compressed_rle(as_text):
    mask = np.random.default_rng(0).integers(0, 2, (37, 53)).astype(np.uint8)
    counts = coco_mask.encode(np.asfortranarray(mask))['counts']
    assert isinstance(counts, bytes)
    segmentation = dict(size=[37, 53], counts=counts.decode() if as_text else counts)
    np.testing.assert_array_equal(_decode(segmentation, 37, 53), mask)


def test_compressed_rle_with_long_runs():
    mask = np.zeros((600, 800), np.uint8)  # runs of several digits, and negative differences
    mask[5:590, 400:420] = 1
    mask[100, 700] = 1
    rle = coco_mask.encode(np.asfortranarray(mask))
    np.testing.assert_array_equal(_decode(rle, 600, 800), mask)


@pytest.mark.parametrize('counts', [[7, 3, 38], '73R1'])
def test_rle_of_another_size(counts):
    with pytest.raises(DataError, match=r'annotation 1: the RLE has size \[8, 6\].*\[6, 8\]'):
        _decode(dict(size=[8, 6], counts=counts))


@pytest.mark.parametrize(
    'counts',
    [
        [7, 3],  # too short: pycocotools would leave the rest undefined
        [7, 3, 39],
        [-7, 17, 38],
        [7.5, 2.5, 38],
        coco_mask.encode(np.ones((6, 7), np.uint8, order='F'))['counts'],
        b'0`',  # ends within a number
        b'\xff\x01',
        '0ü',
    ],
)
def test_rle_that_does_not_cover_the_image(counts):
    with pytest.raises(DataError, match='do not add up to the 6 x 8 pixels'):
        _decode(dict(size=[6, 8], counts=counts))


@pytest.mark.parametrize(
    ('segmentation', 'message'),
    [
        ([], 'neither a non-empty list'),
        (None, 'neither a non-empty list'),
        ([[1, 2, 3, 4]], 'at least 3 points'),
        ([[1, 2, 3, 4, 5, 6, 7]], 'at least 3 points'),
        ([1, 2, 3, 4, 5, 6], 'at least 3 points'),
        (dict(counts=[48]), '"size"'),
    ],
)
def test_malformed_segmentations(segmentation, message):
    with pytest.raises(DataError, match=message):
        _decode(segmentation)
