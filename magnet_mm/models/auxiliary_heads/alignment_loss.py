# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Cross-modal alignment loss of MagNet (CAL; CVPR 2024, sec. 3.4; docs/methods/magnet.md)."""

from __future__ import annotations

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.models.losses import pixel_to_pixel_loss, pixel_to_text_loss
from magnet_mm.models.targets import nearest_masks
from magnet_mm.structures import CrossModalFeatures


@MODELS.register_module()
class AlignmentLoss(BaseModule):
    """Pulls the object's pixels together and towards the sentence.

    The pixels are the decode head's stride-4 embedding, as they are; the sentence (corrupted, when
    Mask Grounding is trained beside it) is the mean of the tokens after the last fusion, projected
    by ``lang_proj`` (the one training-only layer that the released checkpoint contains [C]).

    Args:
        text_channels: ``D``, filled in by the segmentor.
        pixel_channels: width of the pixel embedding, filled in by the segmentor.
        pixel_temperature: tau_1 = 0.1 [P supp.], taken to belong to P2P (our reading).
        text_temperature: tau_2 = 0.3 [P supp.], taken to belong to P2T (our reading).
        max_foreground: foreground pixels drawn for P2P per image (our choice).
        max_background: background pixels drawn for P2P per image (our choice).
        loss_weight: weight of both terms; 1.0 (our choice).
    """

    derived_arguments = ('text_channels', 'pixel_channels')

    def __init__(
        self,
        text_channels: int,
        pixel_channels: int,
        pixel_temperature: float = 0.1,
        text_temperature: float = 0.3,
        max_foreground: int = 1024,
        max_background: int = 4096,
        loss_weight: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.lang_proj = nn.Linear(text_channels, pixel_channels)
        self.pixel_temperature = pixel_temperature
        self.text_temperature = text_temperature
        self.max_foreground = max_foreground
        self.max_background = max_background
        self.loss_weight = loss_weight

    def loss(
        self, features: CrossModalFeatures, batch_data_samples: list, train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """``loss_p2p`` and ``loss_p2t``, scalars."""
        embedding = features.pixel_embedding
        masks = nearest_masks(batch_data_samples, tuple(embedding.shape[2:])).flatten(1)
        pixels = embedding.flatten(2).transpose(1, 2)
        p2p = pixel_to_pixel_loss(
            pixels, masks, self.pixel_temperature, self.max_foreground, self.max_background
        )
        p2t = pixel_to_text_loss(
            pixels, masks, self.lang_proj(features.sentence('mean')), self.text_temperature
        )
        return dict(loss_p2p=self.loss_weight * p2p, loss_p2t=self.loss_weight * p2t)
