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

    def forward(self, x: Tensor) -> Tensor:
        """``[B, N, C]`` to the same shape and dtype."""
        wide = x.float() if x.element_size() < 4 else x
        # Not torch.var_mean: its one-pass sums over a middle dimension are an order slower.
        centred = wide - wide.mean(1, keepdim=True)
        variance = centred.square().mean(1, keepdim=True)
        return (centred * torch.rsqrt(variance + self.eps)).to(x.dtype)
