# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Boundary IoU against a plain implementation, and by hand."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from scipy import ndimage

from magnet_mm.errors import DataError
from magnet_mm.evaluation.boundary_iou import (
    BOUNDARY_COUNTS,
    boundary_items,
    boundary_of,
    count_boundary_pixels,
    score_boundaries,
)


def plainly(mask: np.ndarray, distance: int) -> np.ndarray:
    """The definition: chessboard distance to the nearest pixel outside, image border included."""
    padded = np.pad(mask, 1)
    far = ndimage.distance_transform_cdt(padded, metric='chessboard')[1:-1, 1:-1]
    return (mask > 0) & (far <= distance)


@pytest.mark.parametrize('size', [(40, 60), (7, 5), (240, 320), (1, 9)])
def test_boundary_is_that_of_the_distance_transform(size):
    rng = np.random.default_rng(sum(size))
    distance = max(1, round(0.02 * math.hypot(*size)))
    for blur in (1, 5, 31):
        noise = cv2.GaussianBlur(rng.standard_normal(size), (blur, blur), 0)
        mask = (noise > 0).astype(np.uint8)  # touches the border, has holes and islands
        np.testing.assert_array_equal(boundary_of(mask), plainly(mask, distance))
        np.testing.assert_array_equal(boundary_of(mask > 0, 3), plainly(mask, 3))


@pytest.mark.parametrize('value', [0, 1])
def test_empty_and_full_masks(value):
    mask = np.full((100, 100), value, np.uint8)  # 2 % of 141.4 are 3 pixels
    assert boundary_of(mask).sum() == value * (100**2 - 94**2)


def test_counts_by_hand():
    one, other = np.zeros((50, 50), np.uint8), np.zeros((50, 50), bool)  # 1 pixel: 2 % of 70.7
    one[10:20, 10:20] = 1  # a ring of 36 pixels
    other[10:20, 10:22] = True  # a ring of 40
    # shared: the left column and 9 pixels of the upper and lower row each, and their 10th
    assert count_boundary_pixels(one, other) == dict(
        boundary_intersection=10 + 9 + 9, boundary_union=36 + 40 - 28
    )
    assert count_boundary_pixels(one, one) == dict(boundary_intersection=36, boundary_union=36)


def test_score_is_the_mean_and_nothing_found_counts_0():
    items = [
        dict(ref_id=1, sent_id=n, kind=None, boundary_intersection=i, boundary_union=u)
        for n, (i, u) in enumerate([(28, 48), (36, 36), (0, 0)])
    ]
    scores = score_boundaries(items)
    assert scores == {'Boundary IoU': pytest.approx(100 * (28 / 48 + 1) / 3)}


def test_errors_are_sentences():
    with pytest.raises(DataError, match=r'prediction is \(4, 5\), the ground truth \(5, 4\)'):
        count_boundary_pixels(np.zeros((4, 5)), np.zeros((5, 4)))
    for items in ([], [dict(ref_id=1, sent_id=2)]):
        with pytest.raises(DataError, match='no items to score.*without boundary=True'):
            score_boundaries(items)
    for counts in ((3, 2), (1.5, 2), ('1', 2), (True, True)):
        item = dict(zip(BOUNDARY_COUNTS, counts, strict=True), ref_id=1, sent_id=2)
        with pytest.raises(DataError, match='of ref_id 1, sent_id 2 are .* not the pixels'):
            boundary_items([item])
