# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Cross-modal alignment module of MagNet (CAM; CVPR 2024, sec. 3.3, supplement sec. 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from magnet_mm.models.layers.pwam import PWAM


class PyramidLevel(nn.Module):
    """One scale of CAM, pooled to ``p x p``: mix channels, align with the words.

    1x1 C->4C, layer norm over channels (eps 1e-6), 1x1 4C->C, GELU, 1x1 C->C/4, all bias-free [C].
    """

    def __init__(self, pool_size: int, channels: int, text_channels: int) -> None:
        super().__init__()
        self.pool_size = pool_size
        self.mixer = nn.Sequential(
            nn.Linear(channels, 4 * channels, bias=False),
            nn.LayerNorm(4 * channels, eps=1e-6),
            nn.Linear(4 * channels, channels, bias=False),
            nn.GELU(),
            nn.Linear(channels, channels // 4, bias=False),
        )
        self.pwam = PWAM(channels // 4, text_channels, norm='layer')

    def forward(self, pooled: Tensor, words: Tensor, word_mask: Tensor) -> Tensor:
        """Cells ``[B, p * p, C]`` to ``[B, p * p, C/4]``."""
        return self.pwam(self.mixer(pooled), words, word_mask)


class CAM(nn.Module):
    """Word-aligned pyramids beside the full-resolution PWAM result, mixed: pool, align, upsample.

    Args:
        channels: visual width ``C``, divisible by 4.
        text_channels: text width ``D``.
        pool_sizes: grid sizes of the pyramids, 1, 2, 3, 6 [P supp.].
    """

    def __init__(
        self, channels: int, text_channels: int, pool_sizes: Sequence[int] = (1, 2, 3, 6)
    ) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            PyramidLevel(size, channels, text_channels) for size in pool_sizes
        )
        self.mixer = nn.Sequential(
            nn.Linear(channels + len(pool_sizes) * (channels // 4), channels),
            nn.LayerNorm(channels),
            nn.Linear(channels, channels),
            nn.GELU(),
        )

    def forward(self, visual: Tensor, fused: Tensor, words: Tensor, word_mask: Tensor) -> Tensor:
        """Compute the decoder feature of a stage.

        Args:
            visual: ungated ``V [B, H, W, C]``.
            fused: full-resolution PWAM result ``[B, H, W, C]``.
            words: ``[B, T, D]``.
            word_mask: 0/1 ``[B, T]``.

        Returns:
            ``[B, H, W, C]``.
        """
        maps = visual.permute(0, 3, 1, 2)
        pyramids = []
        for level in self.levels:
            size = (level.pool_size, level.pool_size)
            cells = F.adaptive_avg_pool2d(maps, size).flatten(2).transpose(1, 2)
            aligned = level(cells, words, word_mask).transpose(1, 2).unflatten(2, size)
            upsampled = F.interpolate(aligned, maps.shape[2:], mode='bilinear', align_corners=True)
            pyramids.append(upsampled.permute(0, 2, 3, 1))
        return self.mixer(torch.cat([*pyramids, fused], dim=-1))
