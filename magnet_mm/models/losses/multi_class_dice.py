# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Dice loss averaged over the classes (LAVT's README; docs/methods/lavt.md)."""

from __future__ import annotations

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class MultiClassDiceLoss(nn.Module):
    """``1 - (2 sum p_c t_c + s) / (sum p_c + sum t_c + s)``, mean over classes ``c`` and batch.

    ``p`` is the softmax over classes, sums run over the pixels of an image. LAVT reports results
    with a "multi-class Dice" loss whose code was not released; this form is our choice. mmseg's
    ``DiceLoss`` is another one: it adds up both classes before it divides.

    Args:
        smooth: ``s``; 1.0 (our choice).
        loss_weight: factor of the loss.
        loss_name: key in the log.
    """

    def __init__(
        self, smooth: float = 1.0, loss_weight: float = 1.0, loss_name: str = 'loss_dice'
    ) -> None:
        super().__init__()
        self.smooth = smooth
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(
        self,
        logits: Tensor,
        labels: Tensor,
        weight: Tensor | None = None,
        ignore_index: int = 255,
    ) -> Tensor:
        """Scalar loss in float32 (float64 for float64 logits).

        Args:
            logits: ``[B, C, H, W]``.
            labels: int64 ``[B, H, W]``, classes 0..C-1.
            weight: not supported; mmseg's heads pass None without a pixel sampler.
            ignore_index: unused; every pixel of a referring mask has a label.

        Raises:
            ValueError: when pixel weights are given.
        """
        if weight is not None:
            raise ValueError('MultiClassDiceLoss has no pixel weights; remove the pixel sampler.')
        logits = logits.float() if logits.element_size() < 4 else logits
        probability = logits.softmax(dim=1).flatten(2)
        target = F.one_hot(labels, logits.shape[1]).permute(0, 3, 1, 2).flatten(2)
        shared = (probability * target).sum(-1)
        total = probability.sum(-1) + target.sum(-1)
        dice = (2 * shared + self.smooth) / (total + self.smooth)
        return self.loss_weight * (1 - dice).mean()
