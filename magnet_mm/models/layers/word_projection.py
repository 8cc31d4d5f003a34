# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Linear layer, batch norm and ReLU of words, where sentences are padded."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class WordBatchNorm(nn.BatchNorm1d):
    """Batch norm of words ``[B, T, C]``; its statistics stop at the longest sentence.

    EFN cuts a batch to its longest sentence and normalises over all ``B L`` rows that are left,
    padding included [C]. The result is the same; nothing is cut here, so that shapes do not depend
    on the data and an accelerator is never waited for (our choice). In eval mode it is
    ``nn.BatchNorm1d``.
    """

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``[B, T, C]`` and 0/1 ``[B, T]`` to ``[B, T, C]``."""
        if not self.training:
            return super().forward(x.flatten(0, 1)).view_as(x)
        wide = x.float() if x.element_size() < 4 else x
        rows = mask.bool().any(0).to(wide.dtype)[:, None]
        count = (rows.sum() * x.shape[0]).clamp(min=1)
        mean = (wide * rows).sum((0, 1)) / count
        centred = wide - mean
        variance = (centred.square() * rows).sum((0, 1)) / count
        with torch.no_grad():
            unbiased = variance * count / (count - 1).clamp(min=1)
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
            self.num_batches_tracked.add_(1)
        normalised = centred * torch.rsqrt(variance + self.eps)
        return (normalised * self.weight + self.bias).to(x.dtype)


class WordProjection(nn.Module):
    """``ReLU(BN(Linear(words)))``, with the batch norm of :class:`WordBatchNorm` (EFN [C])."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels)
        self.norm = WordBatchNorm(out_channels)

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        """``[B, T, in_channels]``, 0/1 ``[B, T]`` to ``[B, T, out_channels]``."""
        return F.relu(self.norm(self.linear(words), mask))
