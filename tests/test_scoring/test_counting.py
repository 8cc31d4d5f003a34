# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Pixel counts on run lengths are those of decoded masks, however many there are."""

from __future__ import annotations

import numpy as np
from pycocotools import mask as coco_mask

from magnet_mm.scoring.counting import count_pixels


def test_counts_of_many_masks():
    masks = np.random.default_rng(0).random((300, 2, 5, 7)) < 0.5
    pairs = [
        tuple(coco_mask.encode(np.asfortranarray(mask, np.uint8)) for mask in pair)
        for pair in masks
    ]
    first, second = masks[:, 0], masks[:, 1]
    expected = [(first & second).sum((1, 2)), (first | second).sum((1, 2)), first.sum((1, 2))]
    assert (count_pixels(pairs) == np.stack(expected, 1)).all()
