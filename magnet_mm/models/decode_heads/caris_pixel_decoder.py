# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CARIS's decoder: words and pixels read each other, layer by layer (docs/methods/caris.md).

``L [B, T + 5, C]`` words and visual prompts, ``V [B, S, C]`` pixels of three levels, [C] the
released code.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from magnet_mm.models.decode_heads.deformable_pixel_decoder import (
    DeformablePixelDecoder,
    look_around,
)
from magnet_mm.models.layers.wide_attention import WideAttention


class MutualReading(nn.Module):
    """Words read pixels and each other; then pixels read the updated words [C].

    ``L = LN(L + g_1 A(L, V + P, V))``, ``L = LN(L + A(L, L, L))``, ``L = LN(L + FFN(L))``,
    ``V = LN(V + g_2 A(V + P, L, L))``, each attention with its own weights.

    Args:
        channels: ``C``.
        attention_channels: width inside the attentions.
        num_heads: attention heads.
        ffn_channels: width of the FFN.
    """

    def __init__(
        self, channels: int, attention_channels: int, num_heads: int, ffn_channels: int
    ) -> None:
        super().__init__()
        sizes = (channels, attention_channels, num_heads)
        self.words_to_pixels, self.words_to_words, self.pixels_to_words = (
            WideAttention(*sizes) for _ in range(3)
        )
        self.word_gain = nn.Parameter(torch.ones(channels))
        self.pixel_gain = nn.Parameter(torch.ones(channels))
        self.ffn = nn.Sequential(
            nn.Linear(channels, ffn_channels), nn.ReLU(), nn.Linear(ffn_channels, channels)
        )
        self.word_norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(3))
        self.pixel_norm = nn.LayerNorm(channels)

    def forward(
        self, words: Tensor, pixels: Tensor, position: Tensor, word_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Update both.

        Args:
            words: ``L``.
            pixels: ``V``.
            position: of the pixels, ``P [S, C]``.
            word_mask: bool ``[B, T + 5]``, which words may be looked at.

        Returns:
            ``L`` and ``V``.
        """
        placed = pixels + position
        read = self.words_to_pixels(words, placed, pixels)
        words = self.word_norms[0](words + self.word_gain * read)
        words = self.word_norms[1](words + self.words_to_words(words, words, words, word_mask))
        words = self.word_norms[2](words + self.ffn(words))
        read = self.pixels_to_words(placed, words, words, word_mask)
        return words, self.pixel_norm(pixels + self.pixel_gain * read)


class CARISPixelDecoder(DeformablePixelDecoder):
    """Deformable pixel decoder that lets a sentence in before each of its layers [C].

    Three levels inside, stride 4 joined by an FPN, three 1x1 convolutions to the mask feature.

    Args:
        in_channels: channels of ``F_1..F_4``, fine to coarse.
        channels: ``C``, a multiple of 32; 256 [C].
        num_layers: layers; 6 [C].
        num_heads: attention heads, everywhere; 8 [C].
        attention_channels: width inside the attentions of words and pixels; 1024 [C].
        ffn_channels: width of the FFNs; 1024 [C].
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int = 256,
        num_layers: int = 6,
        num_heads: int = 8,
        attention_channels: int = 1024,
        ffn_channels: int = 1024,
    ) -> None:
        levels = len(in_channels) - 1
        super().__init__(in_channels, channels, num_layers, num_heads, ffn_channels, levels)
        self.reading = nn.ModuleList(
            MutualReading(channels, attention_channels, num_heads, ffn_channels)
            for _ in range(num_layers)
        )
        self.mask_feature = nn.Sequential(
            nn.Conv2d(channels, channels, 1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1),
        )

    def init_weights(self) -> None:
        """Initialise the layers' matrices by a normal of 0.02, the sampling as mmdet does [C].

        Convolutions stay as they are built; Mask2Former's initialisation of them is not called in
        the released code either.
        """
        for layer in (*self.encoder.modules(), *self.reading.modules()):
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        for layer in self.encoder.layers:
            layer.self_attn.init_weights()
            if layer.self_attn.num_heads < 4:
                look_around(layer.self_attn)

    def forward(
        self, feats: Sequence[Tensor], words: Tensor, word_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Decode maps and sentence together.

        Args:
            feats: ``F_1..F_4``, each ``[B, C_i, H_i, W_i]``, fine to coarse.
            words: ``L``.
            word_mask: bool ``[B, T + 5]``, which words may be looked at.

        Returns:
            The mask feature ``[B, C, H/4, W/4]`` and ``L`` behind the last layer.
        """
        levels = self.flatten_levels(feats)
        pixels = levels.tokens
        for reading, layer in zip(self.reading, self.encoder.layers, strict=True):
            words, pixels = reading(words, pixels, levels.position, word_mask)
            pixels = layer(pixels, levels.position, levels.grid, levels.shapes)
        finest, _ = self.join_finer_levels(pixels, levels.shapes, feats)
        return self.mask_feature(finest), words
