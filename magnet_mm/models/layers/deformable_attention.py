# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Multi-scale deformable attention (Zhu et al., Deformable DETR, ICLR 2021, eq. 3).

On CUDA mmcv's kernel is used where mmcv was built with it. On the CPU the four bilinear corners of
all sampling points are gathered and weighted in one ``embedding_bag``, which needs no
``[B*heads, channels, queries, points]`` intermediate as ``grid_sample`` does. Everything else takes
``grid_sample``: other devices, whose sparse products are slow or absent, and exported graphs, since
ONNX has that operation and neither of the others.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence

import torch
from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction
from torch import Tensor

from magnet_mm.models.layers.cache import cache
from magnet_mm.models.layers.gathered_attention import gather_deformable_attention
from magnet_mm.models.layers.sampled_attention import grid_sample_deformable_attention, is_exporting

# Images that the kernel takes at once, at most: mmcv's default im2col_step.
_KERNEL_STEP = 64


@functools.cache
def _mmcv_has_cuda_kernel() -> bool:
    """Whether mmcv's compiled extension runs on CUDA; warns once where it does not."""
    from mmcv.ops import get_compiling_cuda_version

    available = get_compiling_cuda_version() != 'not available'
    if not available:
        warnings.warn(
            'mmcv has no CUDA operators here: deformable attention uses a slower torch '
            'formulation. For full speed install requirements/mminstall-compiled.txt with '
            'FORCE_CUDA=1 (docs/getting_started.md, "With CUDA").',
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
        return kernel_deformable_attention(
            value, spatial_shapes, sampling_locations, attention_weights
        )
    if value.device.type != 'cpu':
        return grid_sample_deformable_attention(
            value.float(), spatial_shapes, sampling_locations.float(), attention_weights.float()
        ).to(value.dtype)
    return gather_deformable_attention(value, spatial_shapes, sampling_locations, attention_weights)


def kernel_deformable_attention(
    value: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    sampling_locations: Tensor,
    attention_weights: Tensor,
) -> Tensor:
    """Run :func:`deformable_attention` through mmcv's CUDA kernel.

    The kernel has no bfloat16, and half precision would round the sampling locations: it runs in
    float32. It refuses a batch that its step does not divide
    (``mmcv/ops/csrc/pytorch/cuda/ms_deform_attn_cuda.cu``): larger batches go in parts, each with
    its own size as the step.
    """
    shapes, starts = _kernel_layout(
        tuple((int(height), int(width)) for height, width in spatial_shapes), value.device
    )
    parts = zip(
        *(
            tensor.float().contiguous().split(_KERNEL_STEP)
            for tensor in (value, sampling_locations, attention_weights)
        ),
        strict=True,
    )
    sums = [
        MultiScaleDeformableAttnFunction.apply(
            values, shapes, starts, locations, weights, values.shape[0]
        )
        for values, locations, weights in parts
    ]
    return (sums[0] if len(sums) == 1 else torch.cat(sums)).to(value.dtype)


@cache
def _kernel_layout(
    shapes: tuple[tuple[int, int], ...], device: torch.device
) -> tuple[Tensor, Tensor]:
    """``(h, w)`` of every level, int64 ``[levels, 2]``, and where it starts, ``[levels]``."""
    sizes = torch.tensor(shapes, device=device)
    cells = torch.tensor([0] + [height * width for height, width in shapes[:-1]], device=device)
    return sizes, cells.cumsum(0)
