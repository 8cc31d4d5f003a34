# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Coordinates of feature maps."""

from __future__ import annotations

import torch
from torch import Tensor

from magnet_mm.models.layers.cache import cache


@cache
def cell_centres(height: int, width: int, device: torch.device) -> Tensor:
    """Centres of a map's cells as (x, y) in 0..1, row by row, float32 ``[H * W, 2]``.

    Shared between calls: do not write into it.
    """
    y = (torch.arange(height, device=device, dtype=torch.float32) + 0.5) / height
    x = (torch.arange(width, device=device, dtype=torch.float32) + 0.5) / width
    return torch.stack(torch.meshgrid(x, y, indexing='xy'), -1).flatten(0, 1)
