# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CoupAlign's auxiliary loss: foreground against background pixels (docs/methods/coupalign.md)."""

from __future__ import annotations

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.models.losses import pixel_to_pixel_loss
from magnet_mm.models.targets import nearest_masks
from magnet_mm.structures import CrossModalFeatures


@MODELS.register_module()
class PixelContrastHead(BaseModule):
    """Pulls the object's pixels together and away from the background.

    ``u = W_2 ReLU(W_1 Y)`` of the decode head's stride-4 embedding, then
    :func:`magnet_mm.models.losses.pixel_to_pixel_loss`. That such a contrast exists is
    established [P]; its formula, widths, temperature and weight are our choice.

    Args:
        pixel_channels: width of the pixel embedding, filled in by the segmentor.
        channels: width of ``u``; 128.
        temperature: 0.1, as MagNet's tau_1.
        max_foreground: foreground pixels drawn per image; 1024.
        max_background: background pixels drawn per image; 1024.
        loss_weight: 0.1.
    """

    derived_arguments = ('pixel_channels',)
    uses_words = False

    def __init__(
        self,
        pixel_channels: int,
        channels: int = 128,
        temperature: float = 0.1,
        max_foreground: int = 1024,
        max_background: int = 1024,
        loss_weight: float = 0.1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.project = nn.Sequential(
            nn.Linear(pixel_channels, pixel_channels),
            nn.ReLU(),
            nn.Linear(pixel_channels, channels),
        )
        self.temperature = temperature
        self.max_foreground = max_foreground
        self.max_background = max_background
        self.loss_weight = loss_weight

    def loss(
        self, features: CrossModalFeatures, batch_data_samples: list, train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """``loss_contrast``, a scalar; images without foreground or background add 0."""
        embedding = features.pixel_embedding
        masks = nearest_masks(batch_data_samples, tuple(embedding.shape[2:])).flatten(1)
        contrast = pixel_to_pixel_loss(
            self.project(embedding.flatten(2).transpose(1, 2)),
            masks,
            self.temperature,
            self.max_foreground,
            self.max_background,
        )
        return dict(loss_contrast=self.loss_weight * contrast)
