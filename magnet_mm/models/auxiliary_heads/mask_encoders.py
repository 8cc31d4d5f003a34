# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Mask encoders of Mask Grounding: one token ``C`` that says which object is meant.

The paper calls its encoder light; what it reads is not established (docs/methods/magnet.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.models.layers import cell_centres


def mask_centres(masks: Tensor) -> Tensor:
    """Centres of mass (x, y) in 0..1, ``[B, 2]``, of float masks ``[B, 1, H, W]``; 0 if empty."""
    weights = masks.flatten(1)
    locations = cell_centres(masks.shape[2], masks.shape[3], masks.device)
    # A sum, not a matrix product: autocast would run that in float16, where 65504 is the limit.
    return (weights.unsqueeze(-1) * locations).sum(1) / weights.sum(1, keepdim=True).clamp(min=1)


@MODELS.register_module()
class CentreMaskEncoder(nn.Sequential):
    """Two linear layers on the mask's centre (our choice; believed to be the paper's).

    Args:
        visual_channels: not read; filled in by the head.
        text_channels: width ``D`` of the token, filled in by the head.
    """

    def __init__(self, visual_channels: Sequence[int], text_channels: int) -> None:
        super().__init__(
            nn.Linear(2, text_channels), nn.ReLU(), nn.Linear(text_channels, text_channels)
        )

    def forward(self, visual: Sequence[Tensor], masks: Tensor) -> Tensor:
        """``F_1..F_4`` and float masks ``[B, 1, H, W]`` to ``[B, D]``."""
        return super().forward(mask_centres(masks).to(visual[-1].dtype))


@MODELS.register_module()
class PooledMaskEncoder(nn.Module):
    """The fused features under the mask, averaged per stage, and the mask's centre (our choice).

    The object's appearance reaches the predictor at once, where with the centre alone it must first
    learn to look there.

    Args:
        visual_channels: channels of ``F_1..F_4``, filled in by the head.
        text_channels: width ``D`` of the token, filled in by the head.
    """

    def __init__(self, visual_channels: Sequence[int], text_channels: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for channels in visual_channels)
        self.project = nn.Linear(sum(visual_channels) + 2, text_channels)

    def forward(self, visual: Sequence[Tensor], masks: Tensor) -> Tensor:
        """``F_1..F_4`` and float masks ``[B, 1, H, W]`` to ``[B, D]``."""
        pooled = [
            norm(_average_under(feature, masks))
            for norm, feature in zip(self.norms, visual, strict=True)
        ]
        centres = mask_centres(masks).to(pooled[0].dtype)
        return self.project(torch.cat([*pooled, centres], dim=1))


def _average_under(feature: Tensor, masks: Tensor) -> Tensor:
    """Mean of ``[B, C, h, w]`` over the cells, weighted by how much of each is covered."""
    shares = F.adaptive_avg_pool2d(masks, feature.shape[2:]).to(feature.dtype)
    weights = shares / shares.sum((2, 3), keepdim=True).clamp(min=1e-4)
    return (feature * weights).sum((2, 3))
