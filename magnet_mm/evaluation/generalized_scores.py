# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""gIoU, cIoU, N-acc, T-acc and Pr@X of expressions that mean several objects, one, or none.

Source: GRES (Liu, Ding, Jiang, CVPR 2023), sec. 3, and its released evaluation (ReLA, MIT licence,
``gres_model/evaluation/refer_evaluation.py``): facts only, no code. From the latter: Pr@X counts
the items with a target alone; an unseen target adds its whole area to the union.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from magnet_mm.errors import DataError
from magnet_mm.evaluation.results_io import Item
from magnet_mm.evaluation.scores import PRECISION_TENTHS


def apply_no_target_rule(
    item: Item, no_target: bool, predicted_no_target: bool, count_ignored: bool = True
) -> None:
    """Count the pixels of an item whose prediction may say 'no target', in place.

    Where it does, its mask is ignored: the intersection is 0. The union of an item with a target
    still holds the ignored mask, as in the released ReLA, or, with ``count_ignored=False``, the
    target's own pixels alone. A no-target item that was recognised has union 0, one that was not
    has the predicted pixels as union.

    Args:
        item: With ``intersection``, ``union`` and ``predicted`` (pixels; removed); gets
            ``no_target`` and ``predicted_no_target``.
        no_target: Whether the expression means nothing.
        predicted_no_target: Whether the prediction says so.
        count_ignored: See above.

    Source: docs/data.md, gRefCOCO.
    """
    predicted = item.pop('predicted')
    item['no_target'] = no_target
    item['predicted_no_target'] = predicted_no_target
    if not predicted_no_target:
        return
    if no_target:
        item['union'] = 0
    elif not count_ignored:  # without the prediction: union - predicted + intersection
        item['union'] += item['intersection'] - predicted
    item['intersection'] = 0


def generalized_iou(item: Item) -> float:
    """IoU of one item, 0 to 1; 1 for a recognised no-target item."""
    if item['no_target']:
        return float(item['predicted_no_target'])
    return item['intersection'] / item['union'] if item['union'] else 0.0


def score_generalized_items(items: Sequence[Item]) -> dict[str, float]:
    """Scores items after :func:`apply_no_target_rule`; all scores are in percent.

    ``gIoU`` = mean of the items' IoU, where a no-target item counts 1 if recognised, else 0;
    ``cIoU`` = sum of intersections / sum of unions; ``N-acc`` = share of the no-target items that
    were recognised; ``T-acc`` = share of the items with a target for which one was predicted;
    ``Pr@X`` = share of the items with a target with IoU >= X, in whole numbers. ``N-acc``, or
    ``T-acc`` and ``Pr@X``, are absent where there is no such item. For each ``kind`` that occurs
    there is ``gIoU/<kind>``.

    Raises:
        DataError: if there are no items.
    """
    if not items:
        raise DataError('no items to score: the dataset or the selection of items is empty')
    union = sum(item['union'] for item in items)
    scores = {
        'gIoU': _mean_iou(items),
        'cIoU': 100 * sum(item['intersection'] for item in items) / union if union else 0.0,
    }
    empty = [item for item in items if item['no_target']]
    targets = [item for item in items if not item['no_target']]
    if empty:
        scores['N-acc'] = 100 * sum(item['predicted_no_target'] for item in empty) / len(empty)
    if targets:
        found = sum(not item['predicted_no_target'] for item in targets)
        scores['T-acc'] = 100 * found / len(targets)
        for tenths in PRECISION_TENTHS:
            hits = sum(
                item['union'] > 0 and 10 * item['intersection'] >= tenths * item['union']
                for item in targets
            )
            scores[f'Pr@0.{tenths}'] = 100 * hits / len(targets)
    for kind in sorted({item['kind'] for item in items if item.get('kind') is not None}):
        scores[f'gIoU/{kind}'] = _mean_iou([item for item in items if item.get('kind') == kind])
    return scores


def _mean_iou(items: Sequence[Item]) -> float:
    return 100 * math.fsum(generalized_iou(item) for item in items) / len(items)
