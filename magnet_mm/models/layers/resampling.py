# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Average pooling and bilinear upsampling of small grids as matrices over channels-last tokens.

One matrix product replaces a kernel call per grid, needs no transposes, and uses all cores.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from magnet_mm.models.layers.constants import constant


@constant
def pooling_matrix(
    height: int,
    width: int,
    grids: Sequence[int],
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Adaptive average pooling of a map to several square grids.

    Args:
        height: of the map.
        width: of the map.
        grids: side lengths ``g``, a tuple.
        device: where the matrix lies.
        dtype: its floating-point type.

    Returns:
        ``[sum(g * g), height * width]``: its product with tokens ``[B, height * width, C]`` equals
        ``adaptive_avg_pool2d`` to every grid, one after the other.
    """
    exact = torch.promote_types(dtype, torch.float32)
    return torch.cat(
        [
            _both_axes(*(_averages(side, grid, device, exact) for side in (height, width)))
            for grid in grids
        ]
    ).to(dtype)


@constant
def upsampling_matrix(
    height: int,
    width: int,
    grids: Sequence[int],
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Bilinear upsampling (``align_corners=True``) of several square grids to a map, summed.

    Arguments as for :func:`pooling_matrix`.

    Returns:
        ``[height * width, sum(g * g)]``: its product with the grids' tokens
        ``[B, sum(g * g), C]`` is the sum of all upsampled grids.
    """
    exact = torch.promote_types(dtype, torch.float32)
    return torch.cat(
        [
            _both_axes(*(_interpolation(grid, side, device, exact) for side in (height, width)))
            for grid in grids
        ],
        dim=1,
    ).to(dtype)


def _averages(source: int, target: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Adaptive averages of ``source`` points in ``target`` cells, ``[target, source]``."""
    points = torch.eye(source, device=device, dtype=dtype)
    return F.adaptive_avg_pool1d(points, target).T.contiguous()


def _interpolation(source: int, target: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Linear interpolation of ``source`` points to ``target`` points, ``[target, source]``."""
    points = torch.eye(source, device=device, dtype=dtype).unsqueeze(0)
    return F.interpolate(points, size=target, mode='linear', align_corners=True)[0].T.contiguous()


def _both_axes(rows: Tensor, columns: Tensor) -> Tensor:
    """Kronecker product; ``torch.kron`` fails on the strides of a single row or column."""
    product = rows[:, None, :, None] * columns[:, None, :]
    return product.flatten(2).flatten(0, 1)
