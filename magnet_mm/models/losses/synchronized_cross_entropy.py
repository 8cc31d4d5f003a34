# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Class-weighted cross-entropy whose mean is taken over the pixels of all processes."""

from __future__ import annotations

import torch
from mmengine.dist import all_reduce
from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import MODELS
from torch import Tensor

from magnet_mm.models.layers.cache import cache


@MODELS.register_module()
class SynchronizedCrossEntropyLoss(CrossEntropyLoss):
    """mmseg's ``CrossEntropyLoss``; distributed, its gradients are those of one big batch.

    A mean weighted by class divides by the sum of the weights of the pixels, which differs between
    processes: each would weigh its own images. Here the sums are averaged over the processes first
    (one number is exchanged), so that n processes with b images do what one does with n * b. LAVT's
    released code divides by the process's own sum; in a single process the two are equal.

    The arguments are mmseg's; without ``class_weight`` there is nothing to synchronise.
    """

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
        reduction_override: str | None = None,
        ignore_index: int = -100,
        **kwargs,
    ) -> Tensor:
        """Scalar loss.

        Args:
            cls_score: logits ``[B, C, H, W]``.
            label: int64 ``[B, H, W]``, classes 0..C-1 or ``ignore_index``.
            weight: pixel weights ``[B, H, W]``.
            avg_factor: what the sum is divided by, instead of the weights of all processes.
            reduction_override: ``'none'``, ``'mean'`` or ``'sum'``.
            ignore_index: label that counts for nothing.
        """
        if cls_score.element_size() < 4:  # a sum over pixels overflows in half precision
            cls_score = cls_score.float()
        mean = (reduction_override or self.reduction) == 'mean'
        if mean and avg_factor is None and self.class_weight is not None:
            weights = _weights(tuple(self.class_weight), label.device)
            counted = weights[label.clamp(0, len(weights) - 1)]
            if self.avg_non_ignore:
                counted = counted * (label != ignore_index)
            avg_factor = counted.sum()
            all_reduce(avg_factor, 'mean')
        return super().forward(
            cls_score, label, weight, avg_factor, reduction_override, ignore_index, **kwargs
        )


@cache
def _weights(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Weights of the classes, float32; copied to the device once."""
    return torch.tensor(values, device=device, dtype=torch.float32)
