# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Predicted masks for val of `refcoco_root.py`, whose objects are 8 x 8, 6 x 6 and 7 x 7 pixels."""

from __future__ import annotations

import numpy as np

SIZE = (30, 40)


def box(x: int, y: int, width: int, height: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A mask with one rectangle."""
    mask = np.zeros(size, np.uint8)
    mask[y : y + height, x : x + width] = 1
    return mask


#: By (ref_id, sent_id): 64 of 64 pixels, 32 of 64, 18 of 36, and none of 25 + 49.
MASKS = {
    (4, 40): box(5, 6, 8, 8),
    (4, 41): box(5, 6, 8, 4),
    (5, 50): box(20, 4, 6, 3),
    (6, 60): box(30, 20, 5, 5),
}
