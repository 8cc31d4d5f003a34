# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Supervised edges for any method, after EFN's edge head (docs/methods/efn.md, plug-in)."""

from __future__ import annotations

import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.models.layers.body_edge import edge_band
from magnet_mm.models.layers.conv_bn_prelu import conv_bn_prelu
from magnet_mm.models.targets import stack_masks
from magnet_mm.structures import CrossModalFeatures


@MODELS.register_module()
class BoundaryHead(BaseModule):
    """Finds the object's outline in the decode head's pixel embedding.

    A 3x3 and a 1x1 layer make one logit per pixel, enlarged bilinearly to the input; the loss is
    the mean binary cross-entropy with the band about the border of the mask, as of EFN's edge heads
    [C EFN]. That it reads the pixel embedding, of any method, is our choice.

    Args:
        pixel_channels: width of the pixel embedding, filled in by the segmentor.
        channels: width between the two layers; half of the embedding's in EFN [C], 32 at least.
        radius: the band holds the pixels of the input within it of the other class; 2 [C EFN].
        loss_weight: 1.0 [C EFN].
    """

    derived_arguments = ('pixel_channels',)
    uses_words = False

    def __init__(
        self,
        pixel_channels: int,
        channels: int = 32,
        radius: int = 2,
        loss_weight: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.edge = conv_bn_prelu(pixel_channels, channels)
        self.edge.append(nn.Conv2d(channels, 1, 1, bias=False))
        self.radius = radius
        self.loss_weight = loss_weight

    def loss(
        self, features: CrossModalFeatures, batch_data_samples: list, train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """``loss_edge``, a scalar."""
        edges = edge_band(stack_masks(batch_data_samples), self.radius)
        logits = self.edge(features.pixel_embedding).float()
        logits = F.interpolate(logits, edges.shape[2:], mode='bilinear', align_corners=False)
        loss = F.binary_cross_entropy_with_logits(logits, edges)
        return dict(loss_edge=self.loss_weight * loss)
