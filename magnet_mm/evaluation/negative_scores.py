# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Scores of Ref-ZOM and R-RefCOCO, which have sentences that mean nothing, in percent.

Source: DMMI (Hu et al., ICCV 2023) and RefSegformer (Wu et al., TIP 2024), their released
evaluations, facts only (docs/data.md). The items went through ``apply_no_target_rule``; both
benchmarks call a prediction "nothing" only where it has no pixel.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from magnet_mm.errors import DataError
from magnet_mm.evaluation.results_io import Item
from magnet_mm.evaluation.scores import item_iou, score_items


def score_zero_one_many(items: Sequence[Item]) -> dict[str, float]:
    """Ref-ZOM: oIoU, mIoU and P@X of the items with a target, ``Acc`` of those without.

    ``Acc`` is the share for which nothing was predicted; absent where there is no such item.

    Raises:
        DataError: if no item has a target.
    """
    empty = [item for item in items if item['no_target']]
    scores = score_items([item for item in items if not item['no_target']])
    if empty:
        scores['Acc'] = 100 * _recognised(empty)
    return scores


def score_robust_items(items: Sequence[Item]) -> dict[str, float]:
    """R-RefCOCO: oIoU, mIoU and P@X of the sentences with a target, ``mRR``, ``r`` and ``rIoU``.

    A ref has sentences of both sorts. ``mRR`` is the mean over refs of r = TN / (TN + FP), the
    share of its negative sentences for which nothing was predicted; ``rIoU`` the mean over refs of
    I / (U + the pixels predicted for its negative sentences), I and U summed over its other ones;
    ``mIoU`` the mean over refs of their sentences' mean IoU. ``r`` is the share over all negative
    sentences. A ref without one of the sorts is left out of the means that need it.

    Raises:
        DataError: if no item has a target.
    """
    refs: dict[tuple, list[Item]] = defaultdict(list)
    for item in items:
        refs[item['dataset_name'], item['split'], item['ref_id']].append(item)
    positive = [[item for item in ref if not item['no_target']] for ref in refs.values()]
    negative = [[item for item in ref if item['no_target']] for ref in refs.values()]
    scores = score_items([item for ref in positive for item in ref])
    scores['mIoU'] = _mean(math.fsum(map(item_iou, ref)) / len(ref) for ref in positive if ref)
    scores['rIoU'] = _mean(
        item_iou(
            dict(
                intersection=sum(item['intersection'] for item in meant),
                union=sum(item['union'] for item in (*meant, *unmeant)),
            )
        )
        for meant, unmeant in zip(positive, negative, strict=True)
        if meant
    )
    everything = [item for ref in negative for item in ref]
    if everything:
        scores['mRR'] = _mean(_recognised(ref) for ref in negative if ref)
        scores['r'] = 100 * _recognised(everything)
    return scores


def _recognised(empty: Sequence[Item]) -> float:
    return sum(item['predicted_no_target'] for item in empty) / len(empty)


def _mean(shares: Iterable[float]) -> float:
    shares = list(shares)
    if not shares:
        raise DataError('no ref with a target to score: the selection of items is empty')
    return 100 * math.fsum(shares) / len(shares)
