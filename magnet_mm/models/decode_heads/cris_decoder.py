# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CRIS's vision-language decoder: pixels look at pixels, then at words (docs/methods/cris.md)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from magnet_mm.models.layers.cache import cache
from magnet_mm.models.layers.position import sinusoid


class CRISDecoderLayer(nn.Module):
    """Self-attention, attention to the words, feed-forward; a norm before and behind each [C].

    Args:
        channels: width.
        num_heads: attention heads.
        ffn_channels: width of the feed-forward network.
        dropout: of every part.
    """

    def __init__(self, channels: int, num_heads: int, ffn_channels: int, dropout: float) -> None:
        super().__init__()
        options = dict(dropout=dropout, batch_first=True)
        self.norm1 = nn.LayerNorm(channels)
        self.self_attn = nn.MultiheadAttention(channels, num_heads, **options)
        self.self_attn_norm = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.cross_attn = nn.MultiheadAttention(channels, num_heads, **options)
        self.cross_attn_norm = nn.LayerNorm(channels)
        self.norm3 = nn.LayerNorm(channels)
        self.ffn = nn.Sequential(
            nn.Linear(channels, ffn_channels),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.LayerNorm(ffn_channels),
            nn.Linear(ffn_channels, channels),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, pixels: Tensor, position: Tensor, keys: Tensor, words: Tensor, padding: Tensor
    ) -> Tensor:
        """Update the pixels.

        Args:
            pixels: ``[B, N, C]``.
            position: their code ``[N, C]``.
            keys: words with their position code, ``[B, T, C]``.
            words: ``[B, T, C]``.
            padding: bool ``[B, T]``, words that nobody looks at.
        """
        normed = self.norm1(pixels)
        query = normed + position
        seen = self.self_attn(query, query, normed, need_weights=False)[0]
        pixels = pixels + self.dropout(self.self_attn_norm(seen))
        query = self.norm2(pixels) + position
        said = self.cross_attn(query, keys, words, key_padding_mask=padding, need_weights=False)[0]
        pixels = pixels + self.dropout(self.cross_attn_norm(said))
        return pixels + self.dropout(self.ffn(self.norm3(pixels)))


class CRISDecoder(nn.Module):
    """Layers on the pixels of one map; the words stay as the text encoder left them.

    Args:
        channels: width of pixels and words; 512 [C].
        num_layers: 3 [C].
        num_heads: 8 [C].
        ffn_channels: 2048 [C].
        dropout: 0.1 [C].
    """

    def __init__(
        self,
        channels: int,
        num_layers: int = 3,
        num_heads: int = 8,
        ffn_channels: int = 2048,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            CRISDecoderLayer(channels, num_heads, ffn_channels, dropout) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(channels)

    def forward(self, feature: Tensor, words: Tensor, word_mask: Tensor) -> Tensor:
        """``[B, C, H, W]``, ``[B, T, C]`` and 0/1 ``[B, T]`` to ``[B, C, H, W]``."""
        shape = feature.shape[2:]
        pixels = feature.flatten(2).transpose(1, 2)
        channels = pixels.shape[-1]
        position = _pixel_position(*shape, channels, pixels.device).to(pixels.dtype)
        keys = words + sinusoid(words.shape[1], channels, words.device).to(words.dtype)
        padding = word_mask == 0
        padding = padding & ~padding.all(1, keepdim=True)  # a sentence without words gives no NaN
        for layer in self.layers:
            pixels = layer(pixels, position, keys, words, padding)
        return self.norm(pixels).transpose(1, 2).unflatten(2, shape)


@cache
def _pixel_position(height: int, width: int, channels: int, device: torch.device) -> Tensor:
    """Codes of column, then row, counted from 0, float32 ``[H * W, channels]``."""
    columns = sinusoid(width, channels // 2, device)[None].expand(height, -1, -1)
    rows = sinusoid(height, channels // 2, device)[:, None].expand(-1, width, -1)
    return torch.cat([columns, rows], -1).flatten(0, 1)
