# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Confidence intervals of scores, and of the difference of two runs, by the bootstrap.

Whole images are resampled with replacement (the cluster bootstrap), because the sentences of one
image are not independent; intervals are percentiles. Source: Efron and Tibshirani, An Introduction
to the Bootstrap, ch. 13; images as clusters, 1000 resamples and 95 % are our choice.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from magnet_mm.errors import DataError
from magnet_mm.evaluation.results_io import Item
from magnet_mm.evaluation.scores import PRECISION_TENTHS, item_iou

SCORES = ('oIoU', 'mIoU', *(f'P@0.{tenths}' for tenths in PRECISION_TENTHS))
RESAMPLES = 1000
_CHUNK = 50

Interval = tuple[float, float]


def item_sums(items: Sequence[Item]) -> np.ndarray:
    """Return what scores are made of, float [N, 4 + 5]: intersection, union, IoU, 1, IoU >= X."""
    counts = np.array([(i['intersection'], i['union']) for i in items], dtype=np.int64)
    counts = counts.reshape(-1, 2)
    hits = [
        (counts[:, 1] > 0) & (10 * counts[:, 0] >= tenths * counts[:, 1])
        for tenths in PRECISION_TENTHS
    ]
    ious = np.array([item_iou(item) for item in items], dtype=np.float64)
    columns = [counts[:, 0], counts[:, 1], ious, np.ones(len(items)), *hits]
    return np.stack(columns, axis=1).astype(np.float64)


def scores_of(sums: np.ndarray) -> np.ndarray:
    """Scores in percent, [..., 7] in the order of :data:`SCORES`, of summed :func:`item_sums`."""
    intersection, union, iou, count, *hits = np.moveaxis(sums, -1, 0)
    parts = [np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)]
    return 100 * np.stack([*parts, *(part / count for part in (iou, *hits))], axis=-1)


def resampled_scores(
    runs: Sequence[Sequence[Item]],
    clusters: Sequence[Hashable],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> np.ndarray:
    """Scores of one or several runs over the same items, on resampled clusters.

    Args:
        runs: For each run its items; item ``k`` is the same test item in all of them.
        clusters: Cluster (image) of item ``k``.
        resamples: Number of resamples.
        seed: Seed of the draws, which are the same for all runs.

    Returns:
        Percent, [runs, resamples, 7] in the order of :data:`SCORES`.

    Raises:
        DataError: If there are no items, or the lengths differ.
    """
    if not clusters or any(len(items) != len(clusters) for items in runs):
        raise DataError(
            f'bootstrap: {[len(items) for items in runs]} items and {len(clusters)} clusters; the '
            'runs must hold the same items, at least one'
        )
    sums = np.stack([item_sums(items) for items in runs], axis=1)  # [N, runs, columns]
    totals = cluster_totals(sums.reshape(len(clusters), -1), clusters)
    resampled = resampled_totals(totals, resamples, seed).reshape(resamples, *sums.shape[1:])
    return scores_of(np.moveaxis(resampled, 1, 0))


def cluster_totals(values: np.ndarray, clusters: Sequence[Hashable]) -> np.ndarray:
    """Sum values [N, K] of items by cluster, [clusters, K], in the order of first occurrence."""
    number = {cluster: position for position, cluster in enumerate(dict.fromkeys(clusters))}
    totals = np.zeros((len(number), values.shape[1]))
    np.add.at(totals, [number[cluster] for cluster in clusters], values)
    return totals


def resampled_totals(totals: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """Sum what stands in ``totals`` [clusters, K] over resampled clusters, [resamples, K]."""
    count = len(totals)
    generator = np.random.default_rng(seed)
    parts = []
    for first in range(0, resamples, _CHUNK):
        rows = min(_CHUNK, resamples - first)
        drawn = generator.integers(count, size=(rows, count))
        # how often each cluster was drawn, so that the sums are one matrix product
        offsets = drawn + count * np.arange(rows)[:, None]
        weights = np.bincount(offsets.ravel(), minlength=rows * count)
        parts.append(weights.reshape(rows, -1).astype(np.float64) @ totals)
    return np.concatenate(parts)


def interval(values: np.ndarray, confidence: float = 0.95) -> Interval:
    """Return the central percentile interval of resampled values [R]."""
    tail = 50 * (1 - confidence)
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)
