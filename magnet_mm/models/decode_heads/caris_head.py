# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CARIS's head: the sentence against its prompts, pixel by pixel (ACM MM 2023).

Source: the released code [C], docs/methods/caris.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.evaluation.foreground import ForegroundRule
from magnet_mm.models.decode_heads.caris_pixel_decoder import CARISPixelDecoder
from magnet_mm.models.targets import stack_masks
from magnet_mm.structures import CrossModalFeatures, Prediction


@MODELS.register_module()
class CARISHead(BaseModule):
    """Two classes whose weights come out of the decoder: the sentence's, and the background's.

    ``L = [LN(Linear(words)); visual prompts]`` goes through :class:`CARISPixelDecoder`; the target
    is ``e(L[0])``, the background ``e(mean of the prompts)``, with one MLP ``e``; the logits are
    their products with the mask feature. As ``e`` is shared, its last bias has no gradient [C].

    Args:
        in_channels: channels of ``F_1..F_4``, filled in by the segmentor.
        text_channels: ``D``, filled in by the segmentor.
        channels: ``C``, a multiple of 32; 256 [C].
        num_layers: layers of the decoder; 6 [C].
        num_heads: attention heads; 8 [C].
        attention_channels: width inside the attentions of words and pixels; 1024 [C].
        ffn_channels: width of the FFNs; 1024 [C].
        num_prompts: visual prompts; 5 [C].
        loss_decode: config of one loss of two classes or several; their ``loss_name`` is the key.
    """

    derived_arguments = ('text_channels',)
    num_classes = 2
    out_channels = 2
    align_corners = True
    foreground = ForegroundRule('argmax')

    def __init__(
        self,
        in_channels: Sequence[int],
        text_channels: int,
        channels: int = 256,
        num_layers: int = 6,
        num_heads: int = 8,
        attention_channels: int = 1024,
        ffn_channels: int = 1024,
        num_prompts: int = 5,
        loss_decode: dict | Sequence[dict] | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.pixel_decoder = CARISPixelDecoder(
            in_channels, channels, num_layers, num_heads, attention_channels, ffn_channels
        )
        self.pixel_channels = channels
        self.language = nn.Sequential(nn.Linear(text_channels, channels), nn.LayerNorm(channels))
        self.visual_prompts = nn.Embedding(num_prompts, channels)
        self.class_embed = nn.Sequential(
            nn.Linear(channels, channels),
            nn.ReLU(),
            nn.Linear(channels, channels),
            nn.ReLU(),
            nn.Linear(channels, channels),
        )
        losses = loss_decode or dict(type='CrossEntropyLoss')
        losses = [losses] if isinstance(losses, Mapping) else losses
        self.loss_decode = nn.ModuleList(MODELS.build(loss) for loss in losses)

    def forward(self, features: CrossModalFeatures) -> Prediction:
        """Logits ``[B, 2, H/4, W/4]``: background, target.

        Leaves the mask feature in ``features.pixel_embedding`` for the auxiliary heads.
        """
        words = self.language(features.words)
        length = words.shape[1]
        prompts = self.visual_prompts.weight.to(words.dtype)
        words = torch.cat([words, prompts.expand(words.shape[0], -1, -1)], 1)
        word_mask = F.pad(features.word_mask, (0, len(prompts)), value=1).bool()
        features.pixel_embedding, words = self.pixel_decoder(features.visual, words, word_mask)
        states = torch.stack([words[:, length:].mean(1), words[:, 0]], 1)
        classes = self.class_embed(states)
        return Prediction(torch.einsum('bkc,bchw->bkhw', classes, features.pixel_embedding))

    def loss(
        self, features: CrossModalFeatures, batch_data_samples: list, train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """Losses of the logits at input resolution [C], under their ``loss_name``."""
        masks = stack_masks(batch_data_samples)
        logits = F.interpolate(
            self(features).masks.float(), masks.shape[2:], mode='bilinear', align_corners=True
        )
        labels = masks[:, 0].long()
        return {loss.loss_name: loss(logits, labels) for loss in self.loss_decode}
