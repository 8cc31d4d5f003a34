# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Cross-modal alignment module of MagNet (CAM; CVPR 2024, sec. 3.3, supplement sec. 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from magnet_mm.models.layers import pooling_matrix, upsampling_matrix
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


class PyramidAlignment(nn.Module):
    """CAM: word-aligned pyramids beside the full-resolution PWAM result.

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
        grids = tuple(level.pool_size for level in self.levels)
        cells = [grid * grid for grid in grids]
        where = (*visual.shape[1:3], grids, visual.device, visual.dtype)
        pooled = torch.matmul(pooling_matrix(*where), visual.flatten(1, 2)).split(cells, dim=1)
        # The mixer's linear layer of the concatenation is a sum over its parts, and upsampling is
        # linear too: a level is multiplied with its part of the weight before it is upsampled.
        first, *rest = self.mixer
        quarter = visual.shape[-1] // 4
        *parts, own = first.weight.split([quarter] * len(grids) + [fused.shape[-1]], dim=1)
        mixed = [
            F.linear(level(cell, words, word_mask), part)
            for level, cell, part in zip(self.levels, pooled, parts, strict=True)
        ]
        pyramid = torch.matmul(upsampling_matrix(*where), torch.cat(mixed, dim=1))
        x = F.linear(fused, own, first.bias) + pyramid.view_as(fused)
        for layer in rest:
            x = layer(x)
        return x
