# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The metric of gRefCOCO: records per item as in `ReferringMetric`, scored as in GRES."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.registry import METRICS
from torch import Tensor

from magnet_mm.errors import ConfigError
from magnet_mm.evaluation.generalized_scores import (
    apply_no_target_rule,
    generalized_iou,
    score_generalized_items,
)
from magnet_mm.evaluation.referring_metric import ReferringMetric
from magnet_mm.evaluation.results_io import Item


@METRICS.register_module()
class GeneralizedReferringMetric(ReferringMetric):
    """gIoU, cIoU, N-acc, T-acc and Pr@X in percent, see :func:`score_generalized_items`.

    Samples without ``no_target`` have a target. The items carry ``no_target`` and
    ``predicted_no_target``, too.

    Args:
        min_target_pixels: a prediction of fewer pixels says 'no target' and counts as empty, at
            the resolution that is scored. 50 is our choice: the released ReLA decides by a
            classifier of its own, which a mask model does not have. 1 counts every pixel.
        **kwargs: see :class:`ReferringMetric`.

    Raises:
        ConfigError: for ``min_target_pixels`` < 1.
    """

    counted = (*ReferringMetric.counted, 'predicted')

    def __init__(self, min_target_pixels: int = 50, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if min_target_pixels < 1:
            raise ConfigError(
                'GeneralizedReferringMetric: min_target_pixels must be at least 1 (an empty '
                f'prediction says "no target"), got {min_target_pixels}'
            )
        self.min_target_pixels = min_target_pixels

    def count(self, prediction: Tensor, ground_truth: Tensor) -> Tensor:
        """Intersection, union and predicted pixels, int64 [3]."""
        return torch.cat([super().count(prediction, ground_truth), prediction.sum()[None]])

    def complete_item(self, item: Item, sample: dict) -> None:
        """Apply the no-target rule to the record of a sample."""
        no_target = bool(sample.get('no_target', False))
        apply_no_target_rule(item, no_target, self.min_target_pixels)

    def item_iou(self, item: Item) -> float:
        """IoU of one item, 1 for a recognised no-target item."""
        return generalized_iou(item)

    def score(self, items: Sequence[Item]) -> dict[str, float]:
        """Return the scores of GRES."""
        return score_generalized_items(items)
