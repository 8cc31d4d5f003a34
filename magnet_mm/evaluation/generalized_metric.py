# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The metric of gRefCOCO: records per item as in `ReferringMetric`, scored as in GRES."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.registry import METRICS
from torch import Tensor

from magnet_mm.errors import ConfigError, DataError
from magnet_mm.evaluation.foreground import ForegroundRule
from magnet_mm.evaluation.generalized_scores import (
    apply_no_target_rule,
    generalized_iou,
    score_generalized_items,
)
from magnet_mm.evaluation.negative_scores import score_robust_items, score_zero_one_many
from magnet_mm.evaluation.referring_metric import ReferringMetric
from magnet_mm.evaluation.results_io import Item

#: Scores of items with and without a target, by benchmark.
PROTOCOLS = {
    'gres': score_generalized_items,
    'ref-zom': score_zero_one_many,
    'r-refcoco': score_robust_items,
}


@METRICS.register_module()
class GeneralizedReferringMetric(ReferringMetric):
    """gIoU, cIoU, N-acc, T-acc and Pr@X in percent, see :func:`score_generalized_items`.

    Samples without ``no_target`` have a target. A prediction says 'no target' where the model's
    own answer does (``pred_no_target``); where a model has none, by ``min_target_pixels``. The
    items carry ``no_target`` and ``predicted_no_target``, too, and the mask before that answer.

    Args:
        min_target_pixels: of a model without an answer, a mask of fewer pixels says 'no target', at
            the resolution that is scored. 50 is our choice; 1 takes empty masks alone.
        count_ignored: the union of a target that was answered by 'no target' still holds the
            ignored mask, as in the released ReLA; False counts such a prediction as empty.
        protocol: what is made of the items, one of :data:`PROTOCOLS`: ``'gres'``, ``'ref-zom'`` or
            ``'r-refcoco'``.
        **kwargs: see :class:`ReferringMetric`.

    Raises:
        ConfigError: for ``min_target_pixels`` < 1, another ``protocol``, a ``rule`` of a system, or
            ``boundary``.
    """

    counted = (*ReferringMetric.counted, 'predicted')

    def __init__(
        self,
        min_target_pixels: int = 50,
        count_ignored: bool = True,
        protocol: str = 'gres',
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if protocol not in PROTOCOLS:
            raise ConfigError(
                f'GeneralizedReferringMetric: protocol should be one of {", ".join(PROTOCOLS)}, '
                f'got {protocol!r}'
            )
        self._score = PROTOCOLS[protocol]
        if self.rule != 'standard':
            raise ConfigError(
                'GeneralizedReferringMetric has the rule of ReLA already, and no other: leave out '
                f'rule={self.rule!r}.'
            )
        if self.boundary:
            raise ConfigError(
                'Boundary IoU is not defined where nothing is meant: leave out boundary=True of '
                'GeneralizedReferringMetric.'
            )
        self.count_ignored = count_ignored
        if min_target_pixels < 1:
            raise ConfigError(
                'GeneralizedReferringMetric: min_target_pixels must be at least 1 (an empty '
                f'prediction says "no target"), got {min_target_pixels}'
            )
        self.min_target_pixels = min_target_pixels

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count the pixels of one batch, see :meth:`ReferringMetric.process`.

        Raises:
            DataError: as there; or a mask was emptied by the model's answer and has no logits.
        """
        super().process(data_batch, [_with_mask(sample) for sample in data_samples])

    def count(self, prediction: Tensor, ground_truth: Tensor) -> Tensor:
        """Intersection, union and predicted pixels, int64 [3]."""
        return torch.cat([super().count(prediction, ground_truth), prediction.sum()[None]])

    def protocol(self) -> dict[str, Any]:
        """Say what was measured; both rules of "no target" belong to it."""
        return dict(
            super().protocol(),
            min_target_pixels=self.min_target_pixels,
            count_ignored=self.count_ignored,
        )

    def complete_item(self, item: Item, sample: dict) -> None:
        """Apply the no-target rule to the record of a sample."""
        answer = sample.get('answered_no_target')
        if answer is None:
            answer = item['predicted'] < self.min_target_pixels
        no_target = bool(sample.get('no_target', False))
        apply_no_target_rule(item, no_target, answer, self.count_ignored)

    def item_iou(self, item: Item) -> float:
        """IoU of one item, 1 for a recognised no-target item."""
        return generalized_iou(item)

    def score(self, items: Sequence[Item]) -> dict[str, float]:
        """Return the scores of the protocol."""
        return self._score(items)


def _with_mask(sample: dict) -> dict:
    """Return a sample with the mask as it was before the model answered that nothing is meant."""
    if 'pred_no_target' not in sample:
        return sample
    answer = bool(sample['pred_no_target'])
    sample = {**sample, 'answered_no_target': answer, 'pred_no_target': False}
    if answer:
        if 'seg_logits' not in sample:
            raise DataError(
                f'the sample of {sample.get("img_path", "an image")} says that nothing is meant, '
                'but has no seg_logits, whose mask the union needs'
            )
        logits = sample['seg_logits']['data']
        rule = ForegroundRule.of(sample, logits.shape[0])
        mask = rule.mask(rule.foreground(logits.float()))
        sample['pred_sem_seg'] = dict(data=mask[None])
    return sample
