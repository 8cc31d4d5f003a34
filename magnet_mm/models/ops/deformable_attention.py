# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Multi-scale deformable attention (Zhu et al., Deformable DETR, ICLR 2021, eq. 3).

On CUDA mmcv's kernel is used where mmcv was built with it. Everywhere else the four bilinear
corners of all sampling points are gathered and weighted in one ``embedding_bag``, which needs no
``[B*heads, channels, queries, points]`` intermediate as ``grid_sample`` does. Exported graphs take
``grid_sample`` nevertheless: ONNX has that operation, and neither of the others.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction
from torch import Tensor
from torch.autograd.function import once_differentiable

from magnet_mm.models.ops.sampled_attention import grid_sample_deformable_attention, is_exporting


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
    if is_exporting():
        return grid_sample_deformable_attention(
            value, spatial_shapes, sampling_locations, attention_weights
        )
    if value.is_cuda and _mmcv_has_cuda_kernel():
        shapes = torch.tensor(spatial_shapes, device=value.device)
        starts = torch.cat([shapes.new_zeros(1), shapes.prod(1).cumsum(0)[:-1]])
        # The kernel has no bfloat16, and half precision would round the sampling locations.
        out = MultiScaleDeformableAttnFunction.apply(
            value.float().contiguous(),
            shapes,
            starts,
            sampling_locations.float().contiguous(),
            attention_weights.float().contiguous(),
            64,
        )
        return out.to(value.dtype)
    return gather_deformable_attention(value, spatial_shapes, sampling_locations, attention_weights)


def gather_deformable_attention(
    value: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    sampling_locations: Tensor,
    attention_weights: Tensor,
) -> Tensor:
    """The same as :func:`deformable_attention`, in torch operations on any device."""
    batch, num_values, heads, channels = value.shape
    queries = sampling_locations.shape[1]
    # A table row holds one head of one position of one image: row = (b * S + s) * heads + head.
    image = torch.arange(batch, dtype=torch.int32, device=value.device) * (num_values * heads)
    head = torch.arange(heads, dtype=torch.int32, device=value.device)
    first = image.view(-1, 1, 1, 1, 1) + head.view(-1, 1, 1)  # [B, 1, heads, 1, 1]
    rows, weights, start = [], [], 0
    for level, (height, width) in enumerate(spatial_shapes):
        x_cells, x_weights = _neighbours(sampling_locations[:, :, :, level, :, 0], width)
        y_cells, y_weights = _neighbours(sampling_locations[:, :, :, level, :, 1], height)
        cells = [y * width + x for y in y_cells for x in x_cells]
        rows.append(torch.stack(cells, -1) * heads + (first + start * heads))
        attention = attention_weights[:, :, :, level]
        x_weights = [x * attention for x in x_weights]
        weights.append(torch.stack([y * x for y in y_weights for x in x_weights], -1))
        start += height * width
    rows, weights = torch.cat(rows, 3), torch.cat(weights, 3)  # [B, Q, heads, levels * points, 4]

    bags = batch * queries * heads
    table = value.reshape(batch * num_values * heads, channels)
    weighted_bags = _CPUWeightedBags.apply if value.device.type == 'cpu' else _weighted_bags
    out = weighted_bags(table, rows.view(bags, -1), weights.view(bags, -1).to(value.dtype))
    return out.view(batch, queries, heads * channels)


def _neighbours(position: Tensor, size: int) -> tuple[list[Tensor], list[Tensor]]:
    """The two cells around a position along one axis, as ``grid_sample`` (align_corners=False).

    Args:
        position: 0..1 over the axis, any shape.
        size: cells along the axis.

    Returns:
        Indices (int32, clamped to the axis) and bilinear weights (0 outside) of the lower and the
        upper cell.
    """
    pixel = position * size - 0.5
    low = pixel.detach().floor()
    fraction = pixel - low
    low = low.clamp(-2, size)
    high = low + 1
    weights = [
        (1 - fraction) * ((low >= 0) & (low < size)),
        fraction * ((high >= 0) & (high < size)),
    ]
    return [cell.clamp(0, size - 1).int() for cell in (low, high)], weights


def _weighted_bags(table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
    """``out[b] = sum_k weights[b, k] * table[rows[b, k]]``."""
    return F.embedding_bag(rows, table, per_sample_weights=weights, mode='sum')


class _CPUWeightedBags(torch.autograd.Function):
    """:func:`_weighted_bags` with a faster gradient of the table.

    torch sorts all rows for it; multiplying with the transposed sparse matrix does not.
    """

    @staticmethod
    def forward(ctx, table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(table, rows, weights)
        return _weighted_bags(table, rows, weights)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        table, rows, weights = ctx.saved_tensors
        grad = grad.contiguous()
        grad_table = grad_weights = None
        if ctx.needs_input_grad[0]:
            bags = torch.arange(rows.shape[0]).repeat_interleave(rows.shape[1])
            matrix = torch.sparse_coo_tensor(
                torch.stack([rows.view(-1).long(), bags]),
                weights.reshape(-1).to(grad.dtype),
                (table.shape[0], rows.shape[0]),
                check_invariants=False,
            )
            grad_table = torch.sparse.mm(matrix, grad)
        if ctx.needs_input_grad[2]:
            with torch.enable_grad():
                leaf = weights.detach().requires_grad_()
                out = _weighted_bags(table, rows, leaf)
            (grad_weights,) = torch.autograd.grad(out, leaf, grad)
        return grad_table, None, grad_weights
