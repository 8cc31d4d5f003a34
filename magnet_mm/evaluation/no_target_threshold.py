# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""N-acc, T-acc and gIoU of one model at every threshold of its no-target answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from mmseg.registry import METRICS

from magnet_mm.errors import DataError
from magnet_mm.evaluation.generalized_metric import GeneralizedReferringMetric
from magnet_mm.evaluation.generalized_scores import apply_no_target_rule, score_generalized_items
from magnet_mm.evaluation.results_io import Item

#: Thresholds that are tried (our choice).
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))


class ThresholdRow(NamedTuple):
    """Scores in percent at one threshold; nan where no item counts for one."""

    threshold: float
    n_acc: float
    t_acc: float
    giou: float


@METRICS.register_module()
class NoTargetThresholdMetric(GeneralizedReferringMetric):
    """Scores every threshold in one run; the result is the row with the largest gIoU.

    Of several the one nearest to 0.5 is taken (our choice). ``rows`` holds all of them.
    """

    rows: Sequence[ThresholdRow] = ()

    def complete_item(self, item: Item, sample: dict) -> None:
        """Keep the counts as they are, and the probability.

        Raises:
            DataError: The model gives no such answer.
        """
        if 'no_target_probability' not in sample:
            raise DataError(
                'The model does not answer whether nothing is meant: its decode head has no such '
                'answer and the config no no_target_head (docs/no_target.md).'
            )
        item['no_target'] = bool(sample.get('no_target', False))
        item['no_target_probability'] = float(sample['no_target_probability'])

    def score(self, items: Sequence[Item]) -> dict[str, float]:
        """Scores and threshold of the best row."""
        self.rows = threshold_table(items, self.count_ignored)
        best = best_row(self.rows)
        return {'threshold': best.threshold, 'gIoU': best.giou}


def threshold_table(
    items: Sequence[dict[str, Any]],
    count_ignored: bool = True,
    thresholds: Sequence[float] = THRESHOLDS,
) -> list[ThresholdRow]:
    """Score the items at each threshold.

    Args:
        items: With ``intersection``, ``union``, ``predicted`` (pixels of the mask before the
            answer), ``no_target`` and ``no_target_probability``; unchanged.
        count_ignored: See :class:`GeneralizedReferringMetric`.
        thresholds: Probabilities; a larger one is answered by "no target".
    """
    rows = []
    for threshold in thresholds:
        copies = [dict(item) for item in items]
        for item in copies:
            answer = item['no_target_probability'] > threshold
            apply_no_target_rule(item, item['no_target'], answer, count_ignored)
        scores = score_generalized_items(copies)
        nan = float('nan')
        rows.append(
            ThresholdRow(
                threshold, scores.get('N-acc', nan), scores.get('T-acc', nan), scores['gIoU']
            )
        )
    return rows


def best_row(rows: Sequence[ThresholdRow]) -> ThresholdRow:
    """Return the row with the largest gIoU; of equal ones that nearest to 0.5."""
    return max(rows, key=lambda row: (row.giou, -abs(row.threshold - 0.5)))
