# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Deformable attention through ``grid_sample``, for exported graphs.

ONNX has no ``embedding_bag`` (torch.onnx writes one with mixed integer types, which onnxruntime
refuses) and knows nothing of mmcv's kernel; ``GridSample`` it has.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def is_exporting() -> bool:
    """Whether the operations are being recorded by ``torch.export`` or ``torch.jit.trace``."""
    recording = getattr(torch.compiler, 'is_exporting', None)  # torch 2.7 and later
    return torch.jit.is_tracing() or (recording is not None and recording())


def grid_sample_deformable_attention(
    value: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    sampling_locations: Tensor,
    attention_weights: Tensor,
) -> Tensor:
    """Compute the same as :func:`deformable_attention`, in operations that ONNX has."""
    heads = value.shape[2]
    maps = value.permute(0, 2, 3, 1).flatten(0, 1)  # [B * heads, d, S]
    grid = (2 * sampling_locations - 1).transpose(1, 2).flatten(0, 1)  # [B * heads, Q, levels ..]
    weights = attention_weights.transpose(1, 2).flatten(0, 1).unsqueeze(1)  # [B * heads, 1, Q ..]
    sums, start = [], 0
    for level, (height, width) in enumerate(spatial_shapes):
        sampled = F.grid_sample(
            maps[:, :, start : start + height * width].unflatten(2, (height, width)),
            grid[:, :, level],
            mode='bilinear',
            padding_mode='zeros',
            align_corners=False,
        )  # [B * heads, d, Q, points]
        sums.append((sampled * weights[:, :, :, level]).sum(-1))
        start += height * width
    out = torch.stack(sums).sum(0)
    return out.unflatten(0, (-1, heads)).flatten(1, 2).transpose(1, 2)
