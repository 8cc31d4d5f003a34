# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Boundary IoU (Cheng et al., CVPR 2021): IoU of the pixels next to the outlines of two masks.

A mask's boundary are its pixels within a distance ``d`` of a pixel outside of it, the surroundings
of the image included. Distances are those of the released code: chessboard distance, ``d`` = 2 % of
the image's diagonal, rounded, at least 1 pixel (docs/train_and_evaluate.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from magnet_mm.errors import DataError
from magnet_mm.evaluation.results_io import Item
from magnet_mm.evaluation.scores import score_items

BOUNDARY_COUNTS = ('boundary_intersection', 'boundary_union')  # fields of items, pixels
BOUNDARY_IOU = 'Boundary IoU'  # name of the score
DIAGONAL_SHARE = 0.02


def boundary_of(mask: np.ndarray, distance: int | None = None) -> np.ndarray:
    """Pixels of a mask within ``distance`` of a pixel outside of it.

    Args:
        mask: [H, W] of 0 and 1, or bool.
        distance: chessboard distance in pixels; by default 2 % of the diagonal.

    Returns:
        uint8 [H, W] of 0 and 1; empty for an empty mask.
    """
    mask = np.ascontiguousarray(mask, dtype=np.uint8)
    if distance is None:
        distance = max(1, round(DIAGONAL_SHARE * math.hypot(*mask.shape)))
    boundary = np.zeros_like(mask)
    x, y, width, height = cv2.boundingRect(mask)
    if width:
        box = np.s_[y : y + height, x : x + width]
        # all around the box is outside: a ring of one pixel says so, whatever the distance
        ringed = cv2.copyMakeBorder(mask[box], 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        inside = cv2.erode(ringed, np.ones((3, 3), np.uint8), iterations=distance)
        boundary[box] = mask[box] - inside[1:-1, 1:-1]
    return boundary


def count_boundary_pixels(prediction: np.ndarray, ground_truth: np.ndarray) -> dict[str, int]:
    """Intersection and union of the boundaries of two masks, in pixels.

    Args:
        prediction: [H, W] of 0 and 1, or bool; RLEs go through ``decode_mask`` first.
        ground_truth: the same.

    Returns:
        The two counts by the names of :data:`BOUNDARY_COUNTS`, as items have them.

    Raises:
        DataError: if the sizes differ.
    """
    if prediction.shape != ground_truth.shape:
        raise DataError(
            f'Boundary IoU: the prediction is {prediction.shape}, the ground truth '
            f'{ground_truth.shape} (height, width); resize one of them first.'
        )
    one, other = boundary_of(prediction), boundary_of(ground_truth)
    counts = np.count_nonzero(one & other), np.count_nonzero(one | other)
    return dict(zip(BOUNDARY_COUNTS, map(int, counts), strict=True))


def boundary_items(items: Sequence[Item]) -> list[Item] | None:
    """Return the items with the counts of the boundaries in the place of those of the masks.

    None where an item has no such counts: they were scored without ``boundary=True``.

    Raises:
        DataError: if the counts are not those of two boundaries.
    """
    if not all(name in item for item in items for name in BOUNDARY_COUNTS):
        return None
    found = []
    for item in items:
        intersection, union = counts = [item[name] for name in BOUNDARY_COUNTS]
        if {type(count) for count in counts} != {int} or not 0 <= intersection <= union:
            raise DataError(
                f'{" and ".join(BOUNDARY_COUNTS)} of ref_id {item["ref_id"]}, sent_id '
                f'{item["sent_id"]} are {counts!r:.80}, not the pixels of two boundaries; write '
                'the results again'
            )
        found.append({**item, 'intersection': intersection, 'union': union})
    return found


def score_boundaries(items: Sequence[Item]) -> dict[str, float]:
    """``{'Boundary IoU': mean over the items}``, in percent; 0 where both masks are empty.

    Raises:
        DataError: if there are no items, or one has no counts of its boundaries.
    """
    counted = boundary_items(items)
    if not counted:
        raise DataError(
            'no items to score: the dataset or the selection of items is empty, or was scored '
            'without boundary=True'
        )
    return {BOUNDARY_IOU: score_items(counted)['mIoU']}
