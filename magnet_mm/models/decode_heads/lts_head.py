# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""LTS-style head: our reading of Locate then Segment, CVPR 2021 (docs/methods/lts.md)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor

from magnet_mm.errors import ConfigError
from magnet_mm.evaluation.foreground import ForegroundRule
from magnet_mm.models.decode_heads.lts_locator import LOCATORS
from magnet_mm.models.decode_heads.vlt_fusion_pyramid import VLTFusionPyramid
from magnet_mm.models.decode_heads.vlt_mask_decoder import VLTMaskDecoder, summed_cross_entropy
from magnet_mm.models.targets import fractional_masks
from magnet_mm.structures import CrossModalFeatures, Prediction


@MODELS.register_module()
class LTSHead(BaseModule):
    """LTS-style: our reading. Fuse, locate the object, then segment it with the place as a channel.

    From the abstract: fusion before localisation, an explicit place of the object, which is
    concatenated with the fused features, and a light net of convolutions behind. The fusion is
    VLT's (:class:`VLTFusionPyramid`), the light net too; the place is supervised directly. All
    sizes, both locators, losses and the threshold are our choice.

    Args:
        in_channels: channels of the image's maps, filled in by the segmentor; the last three, of
            strides 8, 16 and 32, are read.
        sentence_channels: width of the sentence vector, filled in by the segmentor.
        channels: width; 256 (our choice: VLT's).
        locate: ``'filter'``, a filter made of the sentence, or ``'transformer'``.
        locator: other arguments of the locator, see :data:`LOCATORS`.
        location_weight: weight of the place's loss (our choice: 1).
        threshold: foreground is a larger probability; 0.5 (our choice).
        norm_cfg: norm of the convolutions; as VLT's (our choice).

    Raises:
        ConfigError: for another ``locate``.
    """

    # What mmseg's EncoderDecoder reads off a head: one sigmoid channel of logits.
    num_classes = 1
    out_channels = 1
    align_corners = False
    uses_words = False
    derived_arguments = ('sentence_channels',)

    def __init__(
        self,
        in_channels: Sequence[int],
        sentence_channels: int,
        channels: int = 256,
        locate: str = 'filter',
        locator: dict | None = None,
        location_weight: float = 1.0,
        threshold: float = 0.5,
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if locate not in LOCATORS:
            raise ConfigError(f'LTSHead: locate is {" or ".join(LOCATORS)}, not {locate!r}.')
        norm_cfg = norm_cfg or dict(type='BN', eps=1e-3, momentum=0.01)
        self.pixel_channels = channels
        self.location_weight = location_weight
        self.foreground = ForegroundRule('sigmoid', threshold, align_corners=self.align_corners)
        self.pyramid = VLTFusionPyramid(in_channels[-3:], sentence_channels, channels, norm_cfg)
        self.locator = LOCATORS[locate](channels, sentence_channels, **(locator or {}))
        self.mask_decoder = VLTMaskDecoder(channels + 1, channels, norm_cfg)

    def forward(self, features: CrossModalFeatures) -> Prediction:
        """Logits ``[B, 1, H/2, W/2]``.

        Leaves the last map ``[B, channels, H/2, W/2]`` in ``features.pixel_embedding`` for the
        auxiliary heads.
        """
        return Prediction(self.locate_and_segment(features)[1])

    def locate_and_segment(self, features: CrossModalFeatures) -> tuple[Tensor, Tensor]:
        """Logits of the place ``[B, 1, H/16, W/16]`` and of the mask ``[B, 1, H/2, W/2]``."""
        sentence = features.sentence('own')
        fused = self.pyramid(features.visual[-3:], sentence).tokens
        place = self.locator(fused, sentence)
        joined = torch.cat([fused, place.sigmoid()], dim=1)
        logits, features.pixel_embedding = self.mask_decoder(joined)
        return place, logits

    def loss(
        self, features: CrossModalFeatures, batch_data_samples: list, train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """``loss_mask`` as VLT's, and ``loss_location``: of the share of each cell that is object.

        A cell of the place counts as much as the logits of the mask that it covers.
        """
        place, logits = self.locate_and_segment(features)
        masks = fractional_masks(batch_data_samples)
        shares = F.adaptive_avg_pool2d(masks, place.shape[-2:])
        area = logits[0].numel() / place[0].numel()
        return dict(
            loss_mask=summed_cross_entropy(logits, masks),
            loss_location=self.location_weight * area * summed_cross_entropy(place, shares),
        )
