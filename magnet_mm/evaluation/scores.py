# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""oIoU, mIoU and P@X from the pixel counts of (ref, sentence) items.

Source: the evaluation of LAVT (Yang et al., CVPR 2022) and MagNet (Chng et al., CVPR 2024).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from magnet_mm.errors import DataError
from magnet_mm.evaluation.results_io import Item

PRECISION_TENTHS = (5, 6, 7, 8, 9)  # P@0.5 ... P@0.9, in tenths: compared as whole numbers


@dataclass(frozen=True)
class Scoring:
    """What a test code makes of the pixel counts of an item.

    Attributes:
        levels: X of P@X, in hundredths.
        strict: P@X counts IoU > X, decided in floating point as the released codes do; otherwise
            IoU >= X, decided in whole numbers.
        smoothing: what is added to intersection and union; an item whose union is 0 all the same
            has IoU 0.
    """

    levels: tuple[int, ...] = tuple(10 * tenths for tenths in PRECISION_TENTHS)
    strict: bool = False
    smoothing: tuple[float, float] = (0, 0)

    def iou(self, item: Item) -> float:
        """IoU of one item, 0 to 1."""
        above, below = self.smoothing
        union = item['union'] + below
        return (item['intersection'] + above) / union if union else 0.0

    def reaches(self, item: Item, level: int) -> bool:
        """Whether P@X counts the item, X = level / 100."""
        if self.strict:
            return self.iou(item) > level / 100
        return item['union'] > 0 and 100 * item['intersection'] >= level * item['union']


STANDARD = Scoring()


def count_pixels(prediction: Tensor, ground_truth: Tensor) -> Tensor:
    """Intersection and union of two masks, in pixels.

    Args:
        prediction: bool [H, W].
        ground_truth: bool [H, W], on the same device.

    Returns:
        int64 [2], ``(intersection, union)``, on the masks' device.
    """
    return torch.stack([(prediction & ground_truth).sum(), (prediction | ground_truth).sum()])


def score_items(items: Sequence[Item], scoring: Scoring = STANDARD) -> dict[str, float]:
    """Score items by their integer ``intersection`` and ``union``; all scores are in percent.

    ``oIoU`` = sum of intersections / sum of unions; ``mIoU`` = mean of the items' IoU; ``P@X`` =
    share of the items with IoU >= X, equality included: it is decided in whole numbers, so that
    9 of 10 pixels count for P@0.9. An item with an empty union scores 0 (LAVT). For each ``kind``
    that occurs there is ``oIoU/<kind>`` over its items. The result does not depend on the order.

    Args:
        items: see ``results_io``.
        scoring: another one replaces IoU, X and the comparison in ``mIoU`` and ``P@X``.

    Raises:
        DataError: if there are no items.
    """
    if not items:
        raise DataError('no items to score: the dataset or the selection of items is empty')
    count = len(items)
    scores = {
        'oIoU': _overall_iou(items),
        'mIoU': 100 * math.fsum(scoring.iou(item) for item in items) / count,
    }
    for level in scoring.levels:
        hits = sum(scoring.reaches(item, level) for item in items)
        scores[f'P@{level / 100:g}'] = 100 * hits / count
    for kind in sorted({item['kind'] for item in items if item.get('kind') is not None}):
        scores[f'oIoU/{kind}'] = _overall_iou([item for item in items if item.get('kind') == kind])
    return scores


def item_iou(item: Item) -> float:
    """IoU of one item, 0 to 1; 0 where the union is empty (LAVT)."""
    return STANDARD.iou(item)


def _overall_iou(items: Sequence[Item]) -> float:
    union = sum(item['union'] for item in items)
    return 100 * sum(item['intersection'] for item in items) / union if union else 0.0
