# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Multi-scale deformable attention (Zhu et al., Deformable DETR, ICLR 2021, eq. 3).

On CUDA mmcv's kernel is used where mmcv was built with it. Everywhere else the four bilinear
corners of all sampling points are gathered and weighted in one ``embedding_bag``, which needs no
``[B*heads, channels, queries, points]`` intermediate as ``grid_sample`` does.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction
from torch import Tensor


@functools.cache
def _mmcv_has_cuda_kernel() -> bool:
    """Whether mmcv's compiled extension runs on CUDA; warns once where it does not."""
    from mmcv.ops import get_compiling_cuda_version

    available = get_compiling_cuda_version() != 'not available'
    if not available:
        warnings.warn(
            'mmcv was built without CUDA ops: deformable attention uses a slower torch '
            'formulation. Rebuild mmcv with FORCE_CUDA=1 for full speed.',
            stacklevel=2,
        )
    return available


def deformable_attention(
    value: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    sampling_locations: Tensor,
    attention_weights: Tensor,
) -> Tensor:
    """Weighted sum of bilinearly sampled values over levels and points.

    Args:
        value: ``[B, S, heads, d]`` with ``S = sum(h * w)``, levels concatenated.
        spatial_shapes: ``(h, w)`` of every level.
        sampling_locations: ``[B, Q, heads, levels, points, 2]``, (x, y) in 0..1 of each level;
            what lies outside the map counts as zero.
        attention_weights: ``[B, Q, heads, levels, points]``.

    Returns:
        ``[B, Q, heads * d]``.
    """
    if value.is_cuda and _mmcv_has_cuda_kernel():
        shapes = torch.tensor(spatial_shapes, device=value.device)
        starts = torch.cat([shapes.new_zeros(1), shapes.prod(1).cumsum(0)[:-1]])
        return MultiScaleDeformableAttnFunction.apply(
            value.contiguous(),
            shapes,
            starts,
            sampling_locations.to(value.dtype).contiguous(),
            attention_weights.to(value.dtype).contiguous(),
            64,
        )
    return gather_deformable_attention(
        value, spatial_shapes, sampling_locations, attention_weights
    )


def gather_deformable_attention(
    value: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    sampling_locations: Tensor,
    attention_weights: Tensor,
) -> Tensor:
    """The same as :func:`deformable_attention`, in torch operations on any device."""
    batch, num_values, heads, channels = value.shape
    queries = sampling_locations.shape[1]
    sizes = torch.tensor(
        [(w, h) for h, w in spatial_shapes], dtype=sampling_locations.dtype, device=value.device
    )
    widths = torch.tensor([w for _, w in spatial_shapes], device=value.device)
    areas = torch.tensor([h * w for h, w in spatial_shapes], device=value.device)
    starts = (areas.cumsum(0) - areas)[:, None]  # [levels, 1]

    pixel = sampling_locations * sizes[:, None] - 0.5  # grid_sample, align_corners=False
    corner = pixel.detach().floor()
    fraction = pixel - corner
    corner = corner.long()
    # A table row holds one head of one position of one image: row = (b * S + s) * heads + head.
    image = torch.arange(batch, device=value.device).view(batch, 1, 1, 1, 1) * num_values
    head = torch.arange(heads, device=value.device).view(1, 1, heads, 1, 1)

    rows, weights = [], []
    for dy in (0, 1):
        for dx in (0, 1):
            x, y = corner[..., 0] + dx, corner[..., 1] + dy
            limit = sizes.long()
            inside = (
                (x >= 0) & (y >= 0) & (x < limit[:, None, 0]) & (y < limit[:, None, 1])
            )
            bilinear = (fraction[..., 0] if dx else 1 - fraction[..., 0]) * (
                fraction[..., 1] if dy else 1 - fraction[..., 1]
            )
            position = torch.where(inside, starts + y * widths[:, None] + x, 0)
            rows.append((image + position) * heads + head)
            weights.append(bilinear * inside * attention_weights)
    bags = batch * queries * heads
    out = F.embedding_bag(
        torch.stack(rows, -1).view(bags, -1),
        value.reshape(batch * num_values * heads, channels),
        per_sample_weights=torch.stack(weights, -1).view(bags, -1).to(value.dtype),
        mode='sum',
    )
    return out.view(batch, queries, heads * channels)
