# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What CMPC and LSCM do at the start and at the end of every level of the image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from magnet_mm.models.layers.coordinates import cmpc_coordinates
from magnet_mm.models.layers.mutan import Mutan


class Lateral(nn.Module):
    """A level's features to the common grid and width.

    Args:
        in_channels: of the level.
        channels: of the result.
        halve: the level is twice as fine as the grid: 3x3 with step 2, padded as TensorFlow's SAME
            does for even sizes, one row below and one column to the right [C]. Else 1x1.
    """

    def __init__(self, in_channels: int, channels: int, halve: bool = False) -> None:
        super().__init__()
        self.halve = halve
        size, step = (3, 2) if halve else (1, 1)
        self.conv = nn.Conv2d(in_channels, channels, size, step)

    def forward(self, feature: Tensor) -> Tensor:
        """``[B, C, h, w]`` to ``[B, H, W, channels]``, not normalised."""
        if self.halve:
            feature = F.pad(feature, (0, 1, 0, 1))
        return self.conv(feature).permute(0, 2, 3, 1)


class LevelInput(nn.Module):
    """Features, coordinates and sentence of a level to its multimodal map (MUTAN).

    Args:
        in_channels: of the level.
        text_channels: of the sentence.
        channels: of the map.
        halve: see :class:`Lateral`.
    """

    def __init__(
        self, in_channels: int, text_channels: int, channels: int, halve: bool = False
    ) -> None:
        super().__init__()
        self.lateral = Lateral(in_channels, channels, halve)
        self.mutan = Mutan(channels + 8, text_channels, channels)

    def forward(self, feature: Tensor, sentence: Tensor) -> Tensor:
        """``[B, C, h, w]`` and ``[B, D]`` to ``X [B, H, W, channels]``."""
        visual = F.normalize(self.lateral(feature), dim=-1, eps=1e-6)
        place = coordinates_of(visual)
        return self.mutan(torch.cat([visual, place], -1), sentence[:, None, None])


class LevelOutput(nn.Module):
    """Map, reasoned map, sentence and coordinates to the fused map of a level.

    Args:
        channels: of the two maps.
        text_channels: of the sentence.
        fused_channels: of the result.
    """

    def __init__(self, channels: int, text_channels: int, fused_channels: int) -> None:
        super().__init__()
        self.fuse = nn.Linear(2 * channels + text_channels + 8, fused_channels)

    def forward(self, multimodal: Tensor, reasoned: Tensor, sentence: Tensor) -> Tensor:
        """``[B, H, W, channels]`` twice and ``[B, D]`` to ``[B, H, W, fused_channels]``."""
        tiled = sentence[:, None, None].expand(-1, *multimodal.shape[1:3], -1)
        place = coordinates_of(multimodal)
        return self.fuse(torch.cat([multimodal, reasoned, tiled, place], -1)).relu()


def coordinates_of(maps: Tensor) -> Tensor:
    """Make the eight coordinates of maps ``[B, H, W, C]``, ``[B, H, W, 8]``."""
    batch, height, width, _ = maps.shape
    place = cmpc_coordinates(height, width, maps.device)
    return place.to(maps.dtype).expand(batch, -1, -1, -1)
