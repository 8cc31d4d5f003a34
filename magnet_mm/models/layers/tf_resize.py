# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""TensorFlow 1's bilinear resizing, which ``F.interpolate`` does not have."""

from __future__ import annotations

import torch
from torch import Tensor

from magnet_mm.models.layers.cache import cache


def tf_resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize maps ``[B, C, h, w]`` to ``[B, C, H, W]`` as TF 1's ``resize_bilinear`` does.

    Source coordinate = target index * h / H: no half pixel, corners not aligned; the last row and
    column repeat (docs/methods/cmpc.md) [C].
    """
    for axis, length in ((2, size[0]), (3, size[1])):
        low, high, share = _neighbours(x.shape[axis], length, axis, x.device)
        first, second = x.index_select(axis, low), x.index_select(axis, high)
        x = torch.lerp(first, second, share.to(x.dtype))
    return x


@cache
def _neighbours(
    length: int, target: int, axis: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Lower and upper neighbour of each target index, and the share of the upper one."""
    source = torch.arange(target, device=device, dtype=torch.float32) * (length / target)
    low = source.long().clamp(max=length - 1)
    share = (source - low).view(-1, 1) if axis == 2 else source - low
    return low, (low + 1).clamp(max=length - 1), share
