# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CrossVLT's alignment of every stage's pixels with the sentence (docs/methods/crossvlt.md)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule, ModuleList
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.models.targets import stack_masks
from magnet_mm.structures import CrossModalFeatures


@MODELS.register_module()
class StageAlignmentHead(BaseModule):
    """Pulls the object's pixels towards the sentence, in every stage, before they are fused [C].

    ``loss_align<i>``: binary cross-entropy of ``up(cos(W_i v, U_i s) / temperature_i)`` with the
    mask, ``v`` the pixels of stage ``i`` and ``s`` its [CLS] word, which the fusion modules leave
    in the features' ``extras``; bilinear, ``align_corners=True``.

    Args:
        visual_channels: ``C_1..C_4``, filled in by the segmentor.
        text_channels: ``D``, filled in by the segmentor.
        channels: width in which they are compared; 256 [C].
        temperature: 1, and stays so: the released optimiser does not hold it [C].
        loss_weight: of each term; 1 [C].
    """

    derived_arguments = ('visual_channels', 'text_channels')

    def __init__(
        self,
        visual_channels: Sequence[int],
        text_channels: int,
        channels: int = 256,
        temperature: float = 1.0,
        loss_weight: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.loss_weight = loss_weight
        self.pixel_projects = ModuleList(nn.Linear(width, channels) for width in visual_channels)
        self.sentence_projects = ModuleList(
            nn.Linear(text_channels, channels) for _ in visual_channels
        )
        self.temperature = nn.Parameter(
            torch.full((len(visual_channels),), float(temperature)), requires_grad=False
        )
        for layer in self.pixel_projects:
            nn.init.trunc_normal_(layer.weight, std=0.02)  # [C]
            nn.init.zeros_(layer.bias)
        for layer in self.sentence_projects:
            nn.init.normal_(layer.weight, std=0.02)  # [C]
            nn.init.zeros_(layer.bias)

    def similarities(self, features: CrossModalFeatures) -> list[Tensor]:
        """Cosine over temperature of every stage, ``[B, 1, H_i, W_i]``."""
        similarities = []
        for stage, temperature, to_pixel, to_sentence in zip(
            features.extras,
            self.temperature,
            self.pixel_projects,
            self.sentence_projects,
            strict=True,
        ):
            pixels = F.normalize(to_pixel(stage['pixels']), dim=-1)
            sentence = F.normalize(to_sentence(stage['sentence']), dim=-1)
            cosine = torch.einsum('bhwc,bc->bhw', pixels, sentence)
            similarities.append(cosine.unsqueeze(1) / temperature)
        return similarities

    def loss(
        self, features: CrossModalFeatures, batch_data_samples: list, train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """``loss_align1`` .. ``loss_align4``, scalars."""
        masks = stack_masks(batch_data_samples)
        losses = {}
        for number, similarity in enumerate(self.similarities(features), 1):
            wide = similarity.float() if similarity.element_size() < 4 else similarity
            logits = F.interpolate(wide, masks.shape[2:], mode='bilinear', align_corners=True)
            loss = F.binary_cross_entropy_with_logits(logits, masks.to(logits.dtype))
            losses[f'loss_align{number}'] = self.loss_weight * loss
        return losses
