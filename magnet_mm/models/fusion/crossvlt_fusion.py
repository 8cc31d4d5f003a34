# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CrossVLT's stage: language and pixels read each other in turn (docs/methods/crossvlt.md)."""

from __future__ import annotations

import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertIntermediate, BertOutput, BertSelfOutput

from magnet_mm.models.layers.pwam import LanguageGate, PixelWordAttention, merge_heads, split_heads
from magnet_mm.structures import FusionOutput, TextFeatures


class WordsIntoPixels(nn.Module):
    """``GELU(W_m (G + V))``: what every pixel gathers from the words, added to it [C].

    ``G`` is LAVT's pixel-word attention with ``width / head_channels`` heads, scaled by the width
    of a head. LAVT multiplies where this adds.

    Args:
        channels: visual width ``C``.
        text_channels: ``D``.
        width: of queries, keys and values.
        head_channels: width of a head.
    """

    def __init__(self, channels: int, text_channels: int, width: int, head_channels: int) -> None:
        super().__init__()
        self.attention = PixelWordAttention(
            channels, text_channels, width // head_channels, 'instance', width, head_channels**-0.5
        )
        self.project = nn.Linear(channels, channels)
        # 1x1 convolutions in the released code, hence another start than its linear layers [C].
        for layer in (self.attention.query, self.attention.out, self.project):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        for layer in (self.attention.key, self.attention.value):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, pixels: Tensor, words: Tensor, word_mask: Tensor) -> Tensor:
        """``[B, N, C]``, ``[B, T, D]``, 0/1 ``[B, T]`` to ``[B, N, C]``."""
        return F.gelu(self.project(self.attention(pixels, words, word_mask) + pixels))


class PixelsIntoWords(nn.Module):
    """Opens a language stage: attention of words over pixels, then an FFN, post-norm as BERT [C].

    Padding reads the pixels as words do.

    Args:
        text_channels: ``D``.
        visual_channels: ``C``.
        num_heads: attention heads.
        ffn_channels: width of the FFN.
        dropout: of weights and outputs.
    """

    def __init__(
        self,
        text_channels: int,
        visual_channels: int,
        num_heads: int,
        ffn_channels: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.query = nn.Linear(text_channels, text_channels)
        self.key = nn.Linear(visual_channels, text_channels)
        self.value = nn.Linear(visual_channels, text_channels)
        sizes = BertConfig(
            hidden_size=text_channels,
            intermediate_size=ffn_channels,
            hidden_dropout_prob=dropout,
        )
        self.attention_output = BertSelfOutput(sizes)
        self.intermediate = BertIntermediate(sizes)
        self.output = BertOutput(sizes)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.02)  # [C]
                nn.init.zeros_(layer.bias)

    def forward(self, words: Tensor, pixels: Tensor) -> Tensor:
        """``[B, T, D]``, ``[B, N, C]`` to ``[B, T, D]``."""
        gathered = F.scaled_dot_product_attention(
            *(
                split_heads(part, self.num_heads)
                for part in (self.query(words), self.key(pixels), self.value(pixels))
            ),
            dropout_p=self.dropout if self.training else 0.0,
        )
        words = self.attention_output(merge_heads(gathered), words)
        return self.output(self.intermediate(words), words)


@MODELS.register_module()
class CrossVLTFusion(BaseModule):
    """Words enter the pixels before and behind the downsampling; then the words read the pixels.

    ``r = Fu_1(V)``, ``F = LN(r)`` for the decoder, ``V' = V + gate(r) * r``; behind the
    downsampling once more, ``r' = Fu_2(V')``, ``V'' = V' + gate'(r') * r'``. ``V''`` goes to the
    next image stage, and the next language stage opens with attention over it [C].

    Leaves ``pixels [B, H, W, C]`` (before fusion) and ``sentence [B, D]`` ([CLS]) of the stage in
    the features' ``extras``, for :class:`~magnet_mm.models.auxiliary_heads.StageAlignmentHead`.

    Args:
        visual_channels: ``C_i``, filled in by the encoder.
        text_channels: ``D``, filled in by the encoder.
        is_last: filled in by the encoder; the last stage has neither gates nor a second fusion.
        next_channels: width of what the next stage is given, filled in by the encoder.
        width_factor: the first fusion's attention is so many times as wide as the map; 2 in the
            first stage, else 1 [C].
        head_channels: width of a head of both fusions; 64 [C].
        word_heads: heads of the words' attention; 12 [C].
        word_ffn_channels: width of the FFN behind it; 3072 [C].
        dropout: of the words' attention and FFN; 0.1 [C].
    """

    derived_arguments = ('next_channels',)

    def __init__(
        self,
        visual_channels: int,
        text_channels: int,
        is_last: bool,
        next_channels: int | None,
        width_factor: int = 1,
        head_channels: int = 64,
        word_heads: int = 12,
        word_ffn_channels: int = 3072,
        dropout: float = 0.1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.out_channels = visual_channels
        self.inside = WordsIntoPixels(
            visual_channels, text_channels, width_factor * visual_channels, head_channels
        )
        self.norm = nn.LayerNorm(visual_channels)
        self.is_last = is_last
        if not is_last:
            self.inside_gate = LanguageGate(visual_channels)
            self.behind = WordsIntoPixels(
                next_channels, text_channels, next_channels, head_channels
            )
            self.behind_gate = LanguageGate(next_channels)
            self.word_update = PixelsIntoWords(
                text_channels, next_channels, word_heads, word_ffn_channels, dropout
            )

    def text_branch(self) -> list[nn.Module]:
        """Return the modules that update the words for the heads: none."""
        return []

    def forward(
        self, visual: Tensor, text: TextFeatures, update_words: bool = True
    ) -> FusionOutput:
        """Fuse one stage; see :class:`magnet_mm.structures.FusionOutput` for the shapes."""
        pixels = visual.flatten(1, 2)
        fused = self.inside(pixels, text.words, text.mask)
        extras = dict(pixels=visual, sentence=text.words[:, 0])
        feature = self.norm(fused).view_as(visual)
        if not self.is_last:
            pixels = pixels + self.inside_gate(fused) * fused
        return FusionOutput(pixels.view_as(visual), text.words, feature, extras)

    def after_downsample(self, visual: Tensor, text: TextFeatures) -> tuple[Tensor, Tensor]:
        """Fuse what the next stages read, ``[B, H', W', C']``, then update the words with it."""
        pixels = visual.flatten(1, 2)
        fused = self.behind(pixels, text.words, text.mask)
        pixels = pixels + self.behind_gate(fused) * fused
        return pixels.view_as(visual), self.word_update(text.words, pixels)
