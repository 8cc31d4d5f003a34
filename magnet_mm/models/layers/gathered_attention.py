# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Deformable attention in torch operations, without mmcv's CUDA kernel.

The four bilinear corners of all sampling points are gathered and weighted in one
``embedding_bag``. The maps get a border of zeros first: points outside then need no masks.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from magnet_mm.models.layers.cache import cache


class _Layout(NamedTuple):
    """Where the cells of all levels lie in the table that is gathered from; K = levels * points.

    A level is stored with a border of zeros: one row above, two below, one column that is the right
    border of its row and the left border of the next.

    Attributes:
        sizes: cells per unit of location, ``[2 K]`` as (x, y) pairs.
        stride: table rows from one row of the map to the next, ``[K]``.
        corners: table row of cell (0, 0) of an image, a head and a corner, int32
            ``[B, 1, heads, 4, K]``; corners in the order (y0, x0), (y0, x1), (y1, x0), (y1, x1).
    """

    sizes: Tensor
    stride: Tensor
    corners: Tensor


def _starts(shapes: tuple[tuple[int, int], ...]) -> tuple[list[int], int]:
    """Position of every level's cell (0, 0) in the stored sequence, and its length."""
    starts, total = [], 0
    for height, width in shapes:
        starts.append(total + width + 2)
        total += (height + 3) * (width + 1) + 2
    return starts, total


@cache
def _layout(
    shapes: tuple[tuple[int, int], ...],
    points: int,
    batch: int,
    heads: int,
    device: torch.device,
    dtype: torch.dtype,
) -> _Layout:
    starts, total = _starts(shapes)
    start = torch.tensor(starts, device=device)
    stride = torch.tensor([width + 1 for _, width in shapes], device=device)
    corners = torch.stack([start, start + 1, start + stride, start + stride + 1])
    corners = corners.repeat_interleave(points, dim=1) * heads  # [4, K]
    image = torch.arange(batch, device=device).view(-1, 1, 1, 1, 1) * (total * heads)
    head = torch.arange(heads, device=device).view(-1, 1, 1)
    sizes = torch.tensor([(w, h) for h, w in shapes], dtype=dtype, device=device)
    return _Layout(
        sizes.repeat_interleave(points, dim=0).flatten(),
        stride.to(dtype).repeat_interleave(points),
        (image + head + corners).int(),
    )


def gather_deformable_attention(
    value: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    sampling_locations: Tensor,
    attention_weights: Tensor,
) -> Tensor:
    """Compute the same as :func:`deformable_attention`, on any device."""
    batch, _, heads, _ = value.shape
    queries, points = sampling_locations.shape[1], sampling_locations.shape[4]
    locations = sampling_locations.flatten(3)  # [B, Q, heads, 2 K]
    if locations.element_size() < 4:  # half precision would round the locations
        locations = locations.float()
    attention = attention_weights.flatten(3).to(locations.dtype)
    shapes = tuple((int(height), int(width)) for height, width in spatial_shapes)
    layout = _layout(shapes, points, batch, heads, value.device, locations.dtype)
    inputs = (value, locations, attention)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs):
        out = _GatheredAttention.apply(*inputs, shapes, *layout)
    else:
        rows, weights, _ = _rows_and_weights(locations, attention, layout)
        out = _weighted_bags(_table(value, shapes), rows, weights)
    return out.view(batch, queries, -1)


def _interiors(stored: Tensor, shapes: tuple[tuple[int, int], ...]) -> Iterator[Tensor]:
    """Return the cells of every level without their border, as views ``[B, h, w, heads, d]``."""
    for start, (height, width) in zip(_starts(shapes)[0], shapes, strict=True):
        rows = stored[:, start : start + height * (width + 1)]
        yield rows.unflatten(1, (height, width + 1))[:, :, :width]


def _table(value: Tensor, shapes: tuple[tuple[int, int], ...]) -> Tensor:
    """``[B, S, heads, d]`` with borders of zeros, as rows ``[B * stored * heads, d]``."""
    stored = value.new_zeros(value.shape[0], _starts(shapes)[1], *value.shape[2:])
    levels = value.split([height * width for height, width in shapes], dim=1)
    for interior, level in zip(_interiors(stored, shapes), levels, strict=True):
        interior.copy_(level.view_as(interior))
    return stored.view(-1, value.shape[-1])


def _rows_and_weights(
    locations: Tensor, attention: Tensor, layout: _Layout
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what is gathered: table rows (int32) and weights ``[bags, 4 K]``, and the fractions.

    The fractions ``[B, Q, heads, 2 K]`` are the distances of the points from their (y0, x0) corners
    in cells.
    """
    position = torch.minimum(_positions(locations, layout.sizes).clamp_(min=-1), layout.sizes)
    low = position.floor()
    fraction = position.sub_(low)
    row = torch.addcmul(low[..., 0::2], low[..., 1::2], layout.stride).int()
    rows = row.mul_(layout.corners.shape[2]).unsqueeze(3) + layout.corners
    x, y = fraction[..., 0::2], fraction[..., 1::2]
    lower = attention * y
    upper = attention - lower
    upper_right, lower_right = upper * x, lower * x
    weights = torch.stack(
        [upper - upper_right, upper_right, lower - lower_right, lower_right], dim=3
    )
    return (
        rows.view(-1, rows.shape[-2] * rows.shape[-1]),
        weights.flatten(3).flatten(0, 2),
        fraction,
    )


def _positions(locations: Tensor, sizes: Tensor) -> Tensor:
    """Locations in cells; the centre of the first cell is at 0."""
    return torch.addcmul(locations.new_full((), -0.5), locations, sizes)


def _weighted_bags(table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
    """``out[b] = sum_k weights[b, k] * table[rows[b, k]]``, ``[bags, d]``."""
    return F.embedding_bag(rows, table, per_sample_weights=weights.to(table.dtype), mode='sum')


class _GatheredAttention(torch.autograd.Function):
    """The gather with a gradient by hand: fewer passes over the points than autograd makes."""

    @staticmethod
    def forward(
        ctx,
        value: Tensor,
        locations: Tensor,
        attention: Tensor,
        shapes: tuple[tuple[int, int], ...],
        sizes: Tensor,
        stride: Tensor,
        corners: Tensor,
    ) -> Tensor:
        layout = _Layout(sizes, stride, corners)
        rows, weights, fraction = _rows_and_weights(locations, attention, layout)
        table = _table(value, shapes)
        ctx.save_for_backward(table, rows, weights, fraction, locations, attention, sizes)
        ctx.shapes, ctx.value_shape = shapes, value.shape
        return _weighted_bags(table, rows, weights)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        table, rows, weights, fraction, locations, attention, sizes = ctx.saved_tensors
        grad = grad.contiguous()
        grad_value = grad_locations = grad_attention = None
        if ctx.needs_input_grad[0]:
            stored = _table_gradient(table, rows, weights, grad)
            batch, _, heads, channels = ctx.value_shape
            stored = stored.view(batch, -1, heads, channels)
            levels = [level.flatten(1, 2) for level in _interiors(stored, ctx.shapes)]
            grad_value = torch.cat(levels, dim=1)
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            per_row = _weight_gradient(table, rows, grad, attention.dtype)
            corners = per_row.view(*attention.shape[:3], 4, -1).unbind(3)
            x, y = fraction[..., 0::2], fraction[..., 1::2]
            above, below = corners[1] - corners[0], corners[3] - corners[2]
            top, bottom = torch.addcmul(corners[0], above, x), torch.addcmul(corners[2], below, x)
            down = bottom - top
            grad_attention = torch.addcmul(top, down, y)
            across = torch.addcmul(above, below - above, y)
            per_cell = torch.stack([across * attention, down * attention], dim=-1).flatten(3)
            # Beyond the border nothing changes with the position.
            position = _positions(locations, sizes)
            inside = (position > -1) & (position < sizes)
            grad_locations = per_cell.mul_(sizes).mul_(inside)
        return grad_value, grad_locations, grad_attention, None, None, None, None


def _table_gradient(table: Tensor, rows: Tensor, weights: Tensor, grad: Tensor) -> Tensor:
    """``sum_{b, k: rows[b, k] = r} weights[b, k] * grad[b]`` for every table row ``r``.

    The bags the other way round: one per table row, of the places that gathered it.
    """
    order = rows.reshape(-1).sort(stable=True)
    places = order.indices
    every_row = torch.arange(table.shape[0], dtype=rows.dtype, device=rows.device)
    return F.embedding_bag(
        torch.div(places, rows.shape[1], rounding_mode='floor'),
        grad.to(weights.dtype),
        torch.searchsorted(order.values, every_row),
        per_sample_weights=weights.reshape(-1).index_select(0, places),
        mode='sum',
    ).to(table.dtype)


def _weight_gradient(table: Tensor, rows: Tensor, grad: Tensor, dtype: torch.dtype) -> Tensor:
    """``grad[b] . table[rows[b, k]]``, ``[bags, 4 K]``.

    A product of two matrices at the places of a sparse one; three times faster here than torch's
    own gradient of ``per_sample_weights``.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='Sparse CSR tensor support is in beta')
        places = torch.sparse_csr_tensor(
            torch.arange(0, rows.numel() + 1, rows.shape[1], dtype=rows.dtype, device=rows.device),
            rows.reshape(-1),
            torch.zeros(rows.numel(), dtype=dtype, device=rows.device),
            (rows.shape[0], table.shape[0]),
            check_invariants=False,
        )
    products = torch.sparse.sampled_addmm(places, grad.to(dtype), table.to(dtype).T, beta=0.0)
    return products.values().view_as(rows)
