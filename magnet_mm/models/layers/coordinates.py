# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Coordinates of feature maps, in the conventions of the published networks."""

from __future__ import annotations

import torch
from torch import Tensor

from magnet_mm.models.layers.cache import cache


@cache
def efn_coordinates(height: int, width: int, device: torch.device) -> Tensor:
    """EFN's eight numbers of every cell, float32 ``[1, 8, H, W]`` (docs/methods/efn.md).

    With row ``r`` and column ``s``: ``(2r-W)/W, (2s-H)/H, (2(r+1)-W)/W, (2(s+1)-H)/H``, the mean of
    first and third, the mean of second and fourth, ``1/H, 1/W``. Its "x" is the row, over the
    width, as released [C]. Shared between calls: do not write into it.
    """
    row = torch.arange(height, device=device, dtype=torch.float32)[:, None].expand(height, width)
    column = torch.arange(width, device=device, dtype=torch.float32).expand(height, width)
    first = [(2 * row - width) / width, (2 * column - height) / height]
    second = [(2 * (row + 1) - width) / width, (2 * (column + 1) - height) / height]
    middle = [(low + high) / 2 for low, high in zip(first, second, strict=True)]
    sizes = [torch.full_like(first[0], 1 / side) for side in (height, width)]
    return torch.stack([*first, *second, *middle, *sizes])[None]


@cache
def vlt_coordinates(
    height: int, width: int, device: torch.device, dtype: torch.dtype = torch.float32
) -> Tensor:
    """VLT's six numbers of every cell, ``[1, 6, H, W]`` (docs/methods/vlt.md).

    x, x, x, y, y, y, from -1 at the first cell to 1 at the last [C]. Shared between calls: do not
    write into it.
    """
    y = torch.linspace(-1, 1, height, device=device, dtype=dtype)
    x = torch.linspace(-1, 1, width, device=device, dtype=dtype)
    y, x = torch.meshgrid(y, x, indexing='ij')
    return torch.stack([x, x, x, y, y, y])[None]


@cache
def cmpc_coordinates(height: int, width: int, device: torch.device) -> Tensor:
    """CMPC's and LSCM's eight numbers of every cell, float32 ``[1, H, W, 8]``.

    Left and upper edge, right and lower edge, centre (x before y), from -1 to 1, then
    ``1/W, 1/H`` (docs/methods/cmpc.md) [C]. Shared between calls: do not write into it.
    """
    x = 2 * torch.arange(width + 1, device=device, dtype=torch.float32) / width - 1
    y = 2 * torch.arange(height + 1, device=device, dtype=torch.float32) / height - 1
    y0, x0 = torch.meshgrid(y[:-1], x[:-1], indexing='ij')
    y1, x1 = torch.meshgrid(y[1:], x[1:], indexing='ij')
    sizes = [torch.full_like(x0, 1 / side) for side in (width, height)]
    return torch.stack([x0, y0, x1, y1, (x0 + x1) / 2, (y0 + y1) / 2, *sizes], -1)[None]
