# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Layer norm over all positions and channels of a sample at once (CMPC, LSCM) [C]."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class JointLayerNorm(nn.Module):
    """One mean and one variance per sample, scale and shift per channel.

    Args:
        channels: of the last axis.
        eps: 1e-12, inside the root; its size is visible in the released networks' logits [C].
    """

    def __init__(self, channels: int, eps: float = 1e-12) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalise ``[B, ..., C]``.

        Args:
            x: the values.
            mask: ``[B, N]`` for ``x [B, N, C]``; what has 0 does not count and comes out as 0.
        """
        if mask is None:
            return F.layer_norm(x, x.shape[1:], eps=self.eps) * self.weight + self.bias
        x, weight = x.float(), mask.unsqueeze(-1).float()
        count = (weight.sum((1, 2), keepdim=True) * x.shape[2]).clamp(min=1)
        centred = (x - (x * weight).sum((1, 2), keepdim=True) / count) * weight
        variance = centred.square().sum((1, 2), keepdim=True) / count
        return (centred * (variance + self.eps).rsqrt() * self.weight + self.bias) * weight
