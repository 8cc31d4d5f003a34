# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""VLT's way from maps of stride 16 to logits of stride 2, and its loss (docs/methods/vlt.md)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from magnet_mm.models.decode_heads.vlt_fusion_pyramid import upsample
from magnet_mm.models.layers.keras_layers import convolution, plain_convolution


class VLTMaskDecoder(nn.Module):
    """Three convolutions at stride 16, one at strides 8, 4 and 2 each, and a plain one to logits.

    Args:
        in_channels: channels of the maps.
        channels: width of the convolutions.
        norm_cfg: their norm.
    """

    def __init__(self, in_channels: int, channels: int, norm_cfg: dict) -> None:
        super().__init__()
        widths = [in_channels, channels, channels]
        self.coarse = nn.Sequential(*(convolution(c, channels, 3, norm_cfg) for c in widths))
        self.finer = nn.ModuleList(convolution(channels, channels, 3, norm_cfg) for _ in range(3))
        self.logits = plain_convolution(channels, 1, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``[B, 1, H/2, W/2]`` and the map that they are made of, of ``channels``.

        Args:
            x: ``[B, in_channels, H/16, W/16]``.
        """
        x = self.coarse(x)
        for layer in self.finer:
            x = layer(upsample(x))
        return self.logits(x), x


def summed_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy summed over the pixels, mean over the images [C VLT].

    Args:
        logits: ``[B, 1, h, w]``.
        targets: ``[B, 1, H, W]`` in 0..1 at input resolution; the pixel at the upper left of each
            logit's cell is its target.
    """
    step = targets.shape[-2] // logits.shape[-2], targets.shape[-1] // logits.shape[-1]
    targets = targets[..., :: step[0], :: step[1]].to(logits.dtype)
    total = F.binary_cross_entropy_with_logits(logits, targets, reduction='sum')
    return total / logits.shape[0]
