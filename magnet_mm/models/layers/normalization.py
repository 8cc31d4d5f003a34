# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Normalisation over positions of channels-last sequences."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SequenceInstanceNorm(nn.Module):
    """InstanceNorm1d without affine parameters over dim 1 of ``[B, N, C]``, at least in float32.

    Equal to ``nn.InstanceNorm1d(C)`` on the transposed tensor, without the transposes.
    """

    def __init__(self, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``[B, N, C]`` to the same shape and dtype.

        Args:
            x: the sequence.
            mask: 0/1 ``[B, N]``, the positions whose statistics count; the others become 0. None
                counts all.
        """
        wide = x.float() if x.element_size() < 4 else x
        # Not torch.var_mean: its one-pass sums over a middle dimension are an order slower.
        if mask is None:
            centred = wide - wide.mean(1, keepdim=True)
            variance = centred.square().mean(1, keepdim=True)
        else:
            counted = mask.to(wide.dtype).unsqueeze(-1)
            number = counted.sum(1, keepdim=True).clamp(min=1)
            centred = (wide - (wide * counted).sum(1, keepdim=True) / number) * counted
            variance = centred.square().sum(1, keepdim=True) / number
        return (centred * torch.rsqrt(variance + self.eps)).to(x.dtype)
