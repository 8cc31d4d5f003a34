# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Every score as a ratio of two sums over items: intervals, and tests of differences.

Whole images are resampled (:mod:`magnet_mm.analysis.bootstrap`). The test of a difference exchanges
the two models' results image by image, at random: if the models are equally good, the difference
that was seen is one of many such. Source: paired approximate randomisation (Noreen, Computer
Intensive Methods for Testing Hypotheses, 1989); images as units and 9999 exchanges are our choice.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from magnet_mm.analysis.bootstrap import (
    RESAMPLES,
    Interval,
    cluster_totals,
    interval,
    resampled_totals,
)
from magnet_mm.evaluation.boundary_iou import BOUNDARY_IOU, boundary_items
from magnet_mm.evaluation.generalized_scores import generalized_iou
from magnet_mm.evaluation.results_io import Item
from magnet_mm.evaluation.scores import PRECISION_TENTHS, STANDARD, Scoring

EXCHANGES = 9999
_CHUNK = 500


@dataclass(frozen=True)
class Difference:
    """Score of B minus that of A in points, its 95 % interval, and the test's p-value."""

    value: float
    low: float
    high: float
    p: float


class Ratios:
    """The scores of a list of items as ratios.

    Args:
        items: Scored items, as ``score_items`` or (with ``no_target``) ``score_generalized_items``
            take them.
        clusters: Image of each item.
        scoring: Of a released code.

    Attributes:
        names: The scores' names, as those functions give them.
    """

    def __init__(
        self, items: Sequence[Item], clusters: Sequence[Hashable], scoring: Scoring = STANDARD
    ) -> None:
        generalized = 'no_target' in items[0]
        parts = _generalized_parts(items) if generalized else _parts(items, scoring)
        parts = {name: pair for name, pair in parts.items() if pair[1].any()}
        self.names = list(parts)
        columns = np.stack([column for pair in parts.values() for column in pair], axis=1)
        self.totals = cluster_totals(columns.astype(np.float64), clusters)

    def intervals(self, resamples: int = RESAMPLES) -> dict[str, Interval]:
        """95 % interval of each score, in percent."""
        values = _percent(resampled_totals(self.totals, resamples))
        return {name: interval(values[:, k]) for k, name in enumerate(self.names)}

    def compare(self, other: Ratios, resamples: int = RESAMPLES) -> dict[str, Difference]:
        """Difference of each score, ``other`` minus this one; both over the same items.

        Args:
            other: The other model's.
            resamples: Number of resamples of the interval.
        """
        both = np.concatenate([self.totals, other.totals], axis=1)
        first, second = np.split(_percent(resampled_totals(both, resamples)), 2, axis=1)
        seen = _percent(other.totals.sum(0)) - _percent(self.totals.sum(0))
        more = 1 + sum(  # what was seen is one of them
            (np.abs(chunk) >= np.abs(seen) - 1e-9).sum(0) for chunk in self._exchanged(other)
        )
        return {
            name: Difference(
                float(seen[k]),
                *interval(second[:, k] - first[:, k]),
                float(more[k]) / (EXCHANGES + 1),
            )
            for k, name in enumerate(self.names)
        }

    def _exchanged(self, other: Ratios):
        """Differences after random exchanges, [some, scores] at a time."""
        generator = np.random.default_rng(0)
        change = other.totals - self.totals
        for first in range(0, EXCHANGES, _CHUNK):
            rows = min(_CHUNK, EXCHANGES - first)
            moved = generator.integers(2, size=(rows, len(change))).astype(np.float64) @ change
            yield _percent(other.totals.sum(0) - moved) - _percent(self.totals.sum(0) + moved)


def _percent(sums: np.ndarray) -> np.ndarray:
    """Scores in percent, [..., S], of numerators and denominators that take turns, [..., 2 S]."""
    above, below = sums[..., ::2], sums[..., 1::2]
    return 100 * np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _parts(items: Sequence[Item], scoring: Scoring) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Numerator and denominator of every item, by score; see ``score_items``."""
    intersection, union = _column(items, 'intersection'), _column(items, 'union')
    one = np.ones(len(items))
    parts = {
        'oIoU': (intersection, union),
        'mIoU': (np.array([scoring.iou(item) for item in items]), one),
    }
    for level in scoring.levels:
        hits = np.array([scoring.reaches(item, level) for item in items])
        parts[f'P@{level / 100:g}'] = hits, one
    for kind, chosen in _kinds(items).items():
        parts[f'oIoU/{kind}'] = intersection * chosen, union * chosen
    boundaries = boundary_items(items)
    if boundaries is not None:
        parts[BOUNDARY_IOU] = np.array([STANDARD.iou(item) for item in boundaries]), one
    return parts


def _generalized_parts(items: Sequence[Item]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """As :func:`_parts`; see ``score_generalized_items``."""
    intersection, union = _column(items, 'intersection'), _column(items, 'union')
    iou = np.array([generalized_iou(item) for item in items])
    empty, answered = _column(items, 'no_target'), _column(items, 'predicted_no_target')
    target = 1 - empty
    parts = {
        'gIoU': (iou, np.ones(len(items))),
        'cIoU': (intersection, union),
        'N-acc': (answered * empty, empty),
        'T-acc': ((1 - answered) * target, target),
    }
    for tenths in PRECISION_TENTHS:
        hits = (union > 0) & (10 * intersection >= tenths * union)
        parts[f'Pr@0.{tenths}'] = hits * target, target
    for kind, chosen in _kinds(items).items():
        parts[f'gIoU/{kind}'] = iou * chosen, chosen
    return parts


def _column(items: Sequence[Item], name: str) -> np.ndarray:
    return np.array([item[name] for item in items], dtype=np.int64)


def _kinds(items: Sequence[Item]) -> dict[str, np.ndarray]:
    """Which items are of a kind, 0 or 1, by kind."""
    kinds = sorted({item['kind'] for item in items if item.get('kind') is not None})
    return {kind: np.array([int(item.get('kind') == kind) for item in items]) for kind in kinds}
