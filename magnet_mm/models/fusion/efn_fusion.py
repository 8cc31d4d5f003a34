# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""EFN's fusion of one stage: sentence, words, co-attention (docs/methods/efn.md)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.models.layers.conv_bn_prelu import conv_bn_prelu
from magnet_mm.models.layers.coordinates import efn_coordinates
from magnet_mm.models.layers.word_projection import WordProjection
from magnet_mm.structures import FusionOutput, TextFeatures


class WordMap(nn.Module):
    """Every pixel gathers the words it asks for: ``softmax_T(<W_t, conv(a)>)``, no scale [C]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels, 1)

    def forward(self, pixels: Tensor, words: Tensor, word_mask: Tensor) -> Tensor:
        """Gather, ``a [B, C, H, W]``, ``W [B, T, C]``, 0/1 ``[B, T]`` to ``w [B, C, H, W]``."""
        query = self.query(pixels).flatten(2).transpose(1, 2)
        blocked = 1e4 * (word_mask.to(query.dtype)[:, None, None, :] - 1.0)
        words = words.unsqueeze(1)
        gathered = F.scaled_dot_product_attention(
            query.unsqueeze(1), words, words, attn_mask=blocked, scale=1.0
        )
        return gathered.squeeze(1).transpose(1, 2).reshape_as(pixels)


class VisualCoAttention(nn.Module):
    """Co-attention of pixels and their words ("VCM"), all convolutions without bias [C].

    ``A = E(a)^T Q(w)``; ``X_j = sum_i softmax_j(A_ij) w_i``, ``Y_i = sum_j softmax_i(A_ij) a_j``.
    Both weights are normalised over the position that receives, not over those that are summed, as
    released [C]: the size of a result differs from place to place.

    Args:
        channels: of pixels and words.
        attention_channels: of ``E`` and ``Q``.
    """

    def __init__(self, channels: int, attention_channels: int) -> None:
        super().__init__()
        self.visual_query = nn.Conv2d(channels, attention_channels, 1, bias=False)
        self.word_query = nn.Conv2d(channels, attention_channels, 1, bias=False)
        self.visual_out = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.word_out = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        for convolution in self.children():
            nn.init.normal_(convolution.weight, std=0.01)  # [C]

    def forward(self, pixels: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """Attend both ways, ``a, w [B, C, H, W]`` to ``a', w'`` of the same shape."""
        affinity = torch.bmm(
            self.visual_query(pixels).flatten(2).transpose(1, 2),
            self.word_query(words).flatten(2),
        )
        to_visual = torch.bmm(words.flatten(2), affinity.softmax(2))
        to_words = torch.bmm(pixels.flatten(2), affinity.softmax(1).transpose(1, 2))
        return (
            self.visual_out(to_visual.view_as(pixels)),
            self.word_out(to_words.view_as(pixels)),
        )


@MODELS.register_module()
class EFNFusion(BaseModule):
    """Language enters one stage of the image encoder, and the fused map goes on [C].

    ``a = L2(conv(c))``, ``a = L2(conv([a; sentence; coordinates]))``, the word map ``w`` of ``a``,
    their co-attention, ``c <- L2(c) + L2(conv(L2([w'; a'])))``, where L2 divides every pixel by its
    norm over the channels.

    Args:
        visual_channels: ``C_i``, filled in by the encoder.
        text_channels: ``D``, filled in by the encoder.
        is_last: filled in by the encoder; every stage is alike.
        sentence_channels: ``S``, filled in by the encoder.
        channels: width of the fusion; 512 [C].
        attention_channels: width of the affinity; 256 [C].
    """

    derived_arguments = ('sentence_channels',)

    def __init__(
        self,
        visual_channels: int,
        text_channels: int,
        is_last: bool,
        sentence_channels: int,
        channels: int = 512,
        attention_channels: int = 256,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.out_channels = visual_channels
        self.word_project = WordProjection(text_channels, channels)
        self.reduce = conv_bn_prelu(visual_channels, channels)
        self.mix = conv_bn_prelu(channels + sentence_channels + 8, channels)
        self.word_map = WordMap(channels)
        self.coattention = VisualCoAttention(channels, attention_channels)
        self.expand = conv_bn_prelu(2 * channels, visual_channels)

    def text_branch(self) -> list[nn.Module]:
        """Return the modules that update the words: none."""
        return []

    def forward(
        self, visual: Tensor, text: TextFeatures, update_words: bool = True
    ) -> FusionOutput:
        """Fuse one stage; see :class:`magnet_mm.structures.FusionOutput` for the shapes."""
        visual = visual.permute(0, 3, 1, 2)
        height, width = visual.shape[2:]
        words = F.normalize(self.word_project(text.words, text.mask), dim=-1)
        sentence = text.sentence[:, :, None, None].expand(-1, -1, height, width)
        coordinates = efn_coordinates(height, width, visual.device).to(visual.dtype)
        coordinates = coordinates.expand(visual.shape[0], -1, -1, -1)
        pixels = _unit(self.reduce(visual))
        pixels = _unit(self.mix(torch.cat([pixels, sentence, coordinates], 1)))
        word_map = self.word_map(pixels, words, text.mask)
        by_words, by_pixels = self.coattention(pixels, word_map)
        fused = self.expand(_unit(torch.cat([by_pixels, by_words], 1)))
        fused = (_unit(visual) + _unit(fused)).permute(0, 2, 3, 1)
        return FusionOutput(fused, text.words, fused)


def _unit(x: Tensor) -> Tensor:
    """Divide by the norm over the channels, at least 1e-12."""
    return F.normalize(x, dim=1, eps=1e-12)
