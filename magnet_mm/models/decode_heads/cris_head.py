# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CRIS's head: neck, decoder, and a projector whose kernel is the sentence (CVPR 2022).

Source: the released code, docs/methods/cris.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.evaluation.foreground import ForegroundRule
from magnet_mm.models.decode_heads.cris_decoder import CRISDecoder
from magnet_mm.models.decode_heads.cris_neck import CRISNeck
from magnet_mm.models.targets import stack_masks
from magnet_mm.structures import CrossModalFeatures, Prediction


class SentenceKernel(nn.Module):
    """The sentence becomes a 3x3 kernel that is correlated with the pixels ("text-to-pixel").

    Args:
        channels: of the map; half as many are correlated.
        sentence_channels: width of the sentence.
        norm_cfg: norm of the convolutions.
    """

    def __init__(self, channels: int, sentence_channels: int, norm_cfg: dict) -> None:
        super().__init__()
        self.channels = channels // 2
        self.convs = nn.ModuleList(
            [
                ConvModule(channels, channels, 3, padding=1, norm_cfg=norm_cfg),
                ConvModule(channels, self.channels, 3, padding=1, norm_cfg=norm_cfg),
            ]
        )
        self.project = nn.Conv2d(self.channels, self.channels, 1)
        self.kernel = nn.Linear(sentence_channels, 9 * self.channels + 1)  # the last is the bias

    def forward(self, feature: Tensor, sentence: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, C, h, w]`` and ``[B, S]`` to logits ``[B, 1, 4 h, 4 w]`` and the pixels."""
        for conv in self.convs:
            feature = F.interpolate(feature, scale_factor=2, mode='bilinear', align_corners=False)
            feature = conv(feature)
        pixels = self.project(feature)
        height, width = pixels.shape[2:]
        numbers = self.kernel(sentence)
        kernels = numbers[:, :-1].unflatten(1, (self.channels, 9))
        # What each of nine taps gives at every pixel, then shifted to where it belongs: a grouped
        # convolution would make the batch a constant of exported files.
        taps = F.pad(torch.einsum('bct,bchw->bthw', kernels, pixels), (1, 1, 1, 1))
        logits = sum(
            taps[:, tap, tap // 3 : tap // 3 + height, tap % 3 : tap % 3 + width]
            for tap in range(9)
        )
        return (logits + numbers[:, -1, None, None]).unsqueeze(1), pixels


@MODELS.register_module()
class CRISHead(BaseModule):
    """Logits at stride 4 out of CLIP's three coarsest maps and its words.

    Args:
        in_channels: channels of the encoder's maps, fine to coarse, filled in by the segmentor; the
            last three are read.
        text_channels: ``D``, filled in by the segmentor; it is the decoder's width, too [C].
        sentence_channels: ``E``, filled in by the segmentor.
        num_layers: decoder layers; 3 [C].
        num_heads: their heads; 8 [C].
        ffn_channels: their FFN width; 2048 [C].
        dropout: 0.1 [C].
        norm_cfg: norm of the convolutions; SyncBN [C] (``BN`` where there is no accelerator).
        threshold: of the foreground probability; 0.35 [C].
    """

    derived_arguments = ('text_channels', 'sentence_channels')
    num_classes = 1
    out_channels = 1
    align_corners = True  # the released code enlarges so

    def __init__(
        self,
        in_channels: Sequence[int],
        text_channels: int,
        sentence_channels: int,
        num_layers: int = 3,
        num_heads: int = 8,
        ffn_channels: int = 2048,
        dropout: float = 0.1,
        norm_cfg: dict | None = None,
        threshold: float = 0.35,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        norm_cfg = norm_cfg or dict(type='SyncBN')
        channels = text_channels
        self.neck = CRISNeck(in_channels[-3:], sentence_channels, channels, norm_cfg)
        self.decoder = CRISDecoder(channels, num_layers, num_heads, ffn_channels, dropout)
        self.projector = SentenceKernel(channels, sentence_channels, norm_cfg)
        self.pixel_channels = self.projector.channels
        self.foreground = ForegroundRule('sigmoid', threshold)

    def forward(self, features: CrossModalFeatures) -> Prediction:
        """Logits ``[B, 1, H/4, W/4]``.

        Leaves the projected pixels in ``features.pixel_embedding`` for the auxiliary heads.
        """
        sentence = features.sentence('own')
        joined = self.neck(features.visual[-3:], sentence)
        decoded = self.decoder(joined, features.words, features.word_mask)
        logits, features.pixel_embedding = self.projector(decoded, sentence)
        return Prediction(logits)

    def loss(
        self, features: CrossModalFeatures, batch_data_samples: list, train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """``loss_mask``: binary cross-entropy at stride 4, the mask's every fourth pixel [C]."""
        logits = self(features).masks.float()
        masks = F.interpolate(stack_masks(batch_data_samples), logits.shape[2:], mode='nearest')
        return dict(loss_mask=F.binary_cross_entropy_with_logits(logits, masks))
