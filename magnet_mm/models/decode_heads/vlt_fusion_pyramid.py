# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""VLT's fusion of image and sentence behind the backbone (docs/methods/vlt.md, "Fusion")."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from torch import Tensor, nn

from magnet_mm.models.layers.keras_layers import convolution, dense


class FusedMaps(NamedTuple):
    """What the fusion gives.

    Attributes:
        tokens: ``[B, channels, H/16, W/16]``, the transformer's memory.
        queries: ``[B, 2 * channels, H/16, W/16]``, what the queries are made of.
    """

    tokens: Tensor
    queries: Tensor


def upsample(x: Tensor) -> Tensor:
    """Each pixel twice along both sides [C VLT]."""
    return F.interpolate(x, scale_factor=2, mode='nearest')


class VLTFusionPyramid(nn.Module):
    """The sentence scales the coarsest map, which then goes down to stride 16 and meets the others.

    Widths follow the released network: with ``channels`` 256 its 1x1 and 3x3 convolutions of 512
    and 256 channels.

    Args:
        in_channels: channels of the maps of strides 8, 16, 32.
        sentence_channels: width of the sentence vector.
        channels: half the width of the inner maps.
        norm_cfg: norm of the convolutions.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        sentence_channels: int,
        channels: int,
        norm_cfg: dict,
    ) -> None:
        super().__init__()
        fine, middle, coarse = in_channels
        conv = partial(convolution, norm_cfg=norm_cfg)
        wide = 2 * channels
        self.residual = nn.Sequential(conv(coarse, wide, 1), conv(wide, coarse, 3))
        self.sentence_project = dense(sentence_channels, coarse)
        self.sentence_norm = nn.BatchNorm1d(
            coarse, **{key: norm_cfg[key] for key in ('eps', 'momentum') if key in norm_cfg}
        )
        self.activation = nn.LeakyReLU(0.1)
        self.product = nn.Sequential(build_norm_layer(norm_cfg, coarse)[1], nn.LeakyReLU(0.1))
        self.middle_project = conv(middle, wide, 1)
        self.middle = conv(coarse + wide, wide, 1)
        self.fine_project = conv(fine, channels, 1)
        self.query = conv(wide + channels, wide, 1)
        self.query_context = nn.Sequential(conv(wide, channels, 1), conv(channels, wide, 3))
        self.context_project = conv(2 * wide, wide, 1)
        self.join = conv(coarse + wide, channels, 1)
        self.out = conv(channels, channels, 1)

    def forward(self, visual: Sequence[Tensor], sentence: Tensor) -> FusedMaps:
        """Fuse.

        Args:
            visual: maps ``[B, C, H/s, W/s]`` of strides s = 8, 16, 32.
            sentence: ``[B, sentence_channels]``.
        """
        fine, middle, coarse = visual
        values = coarse + self.residual(coarse)
        scale = self.activation(self.sentence_norm(self.sentence_project(sentence)))
        fused = upsample(self.product(values * scale[:, :, None, None]))
        middle = self.middle(torch.cat([fused, self.middle_project(middle)], dim=1))
        fine = self.fine_project(F.avg_pool2d(fine, 2))
        queries = self.query(torch.cat([middle, fine], dim=1))
        context = self.context_project(torch.cat([self.query_context(queries), middle], dim=1))
        return FusedMaps(self.out(self.join(torch.cat([fused, context], dim=1))), queries)
