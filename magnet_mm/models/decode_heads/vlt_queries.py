# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""VLT's query generation and query balance (docs/methods/vlt.md, "Queries")."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from magnet_mm.models.layers.coordinates import vlt_coordinates
from magnet_mm.models.layers.keras_layers import (
    convolution,
    dense,
    plain_convolution,
    relu_dense,
)
from magnet_mm.models.layers.position import sinusoid
from magnet_mm.models.layers.relu_attention import ReLUAttention

_COORDINATES = 6  # x, x, x, y, y, y


class QueryGenerator(nn.Module):
    """Makes each query of a map of the image, and lets it look at the words.

    No word is masked: padding takes part [C VLT].

    Args:
        in_channels: channels of the map.
        text_channels: width of the words.
        channels: width of the queries.
        num_queries: how many.
        pixels: pixels of the map; each query's map is flattened.
        num_heads: attention heads.
        norm_cfg: norm of the convolutions.
    """

    def __init__(
        self,
        in_channels: int,
        text_channels: int,
        channels: int,
        num_queries: int,
        pixels: int,
        num_heads: int,
        norm_cfg: dict,
    ) -> None:
        super().__init__()
        width = in_channels + _COORDINATES
        self.net = nn.Sequential(*(convolution(width, width, 3, norm_cfg) for _ in range(3)))
        self.maps = plain_convolution(width, num_queries, 1)
        self.map_project = relu_dense(pixels, channels)
        self.word_project = relu_dense(text_channels, channels)
        self.query = relu_dense(channels, channels)
        self.key = relu_dense(channels, channels)
        self.value = relu_dense(channels, channels)
        self.attention = ReLUAttention(channels, num_heads)

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        """Make queries ``[B, num_queries, channels]``.

        Args:
            x: ``[B, in_channels, h, w]``, ``h * w = pixels``.
            words: ``[B, T, text_channels]``.
        """
        batch, _, height, width = x.shape
        coordinates = vlt_coordinates(height, width, x.device, x.dtype)
        maps = self.maps(self.net(torch.cat([x, coordinates.expand(batch, -1, -1, -1)], dim=1)))
        own = self.map_project(maps.flatten(2))
        words = self.word_project(words)
        placed, placed_words = with_positions(own), with_positions(words)
        seen = self.attention(self.query(placed), self.key(placed_words), self.value(placed_words))
        return seen + own


class QueryBalance(nn.Module):
    """Scales what each query found by a confidence in 0..1 [C VLT].

    Args:
        channels: width of the queries.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = relu_dense(channels, channels)
        self.found = relu_dense(channels, channels)
        self.confidence = nn.Sequential(
            relu_dense(2 * channels, channels), dense(channels, 1), nn.Sigmoid()
        )

    def forward(self, found: Tensor, queries: Tensor) -> Tensor:
        """``found`` scaled, ``[B, N, channels]``; queries without positions, of the same shape."""
        both = torch.cat([self.found(found), self.query(queries)], dim=-1)
        return self.confidence(both) * found


def with_positions(x: Tensor) -> Tensor:
    """Add sine and cosine of each place to a sequence ``[B, N, C]``."""
    return x + sinusoid(x.shape[1], x.shape[2], x.device).to(x.dtype)
