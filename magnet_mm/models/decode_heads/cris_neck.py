# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CRIS's neck: the sentence multiplies the coarsest map, and three maps become one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from magnet_mm.models.layers.cache import cache


class CRISNeck(nn.Module):
    """Cross-modal neck at stride 16 (CRIS, CVPR 2022, sec. 3.1; layers as released [C]).

    ``f5 = ReLU(BN(conv(v5) * s))``; ``f4`` joins ``v4`` and ``f5``, ``f3`` joins ``v3`` and ``f4``;
    a convolution joins the three, and two more see the pixels' coordinates (docs/methods/cris.md).

    Args:
        in_channels: channels of ``v3, v4, v5``, strides 8, 16, 32.
        sentence_channels: width of the sentence.
        channels: width of the result; 512 [C].
        norm_cfg: norm of the convolutions.
    """

    def __init__(
        self, in_channels: Sequence[int], sentence_channels: int, channels: int, norm_cfg: dict
    ) -> None:
        super().__init__()
        fine, middle, coarse = in_channels
        wide = 2 * channels

        def conv(before: int, after: int, kernel: int) -> ConvModule:
            return ConvModule(before, after, kernel, padding=kernel // 2, norm_cfg=norm_cfg)

        self.sentence = nn.Sequential(
            nn.Linear(sentence_channels, wide, bias=False), nn.BatchNorm1d(wide), nn.ReLU()
        )
        self.coarse = conv(coarse, wide, 1)
        self.product_norm = nn.BatchNorm2d(wide)
        self.middle = conv(middle, channels, 3)
        self.join_middle = conv(channels + wide, channels, 1)
        self.fine = conv(fine, channels // 2, 3)
        self.join_fine = conv(channels // 2 + channels, channels, 1)
        self.refine = nn.ModuleList(  # fine, middle, coarse
            [conv(channels, channels, 3), conv(channels, channels, 3), conv(wide, channels, 3)]
        )
        self.join = conv(3 * channels, channels, 1)
        self.coordinates = nn.Sequential(
            conv(channels + 2, channels, 3), conv(channels, channels, 3)
        )

    def forward(self, visual: Sequence[Tensor], sentence: Tensor) -> Tensor:
        """``v3, v4, v5`` and ``[B, S]`` to ``[B, channels, H/16, W/16]``."""
        fine, middle, coarse = visual
        weights = self.sentence(sentence)[:, :, None, None]
        f5 = F.relu(self.product_norm(self.coarse(coarse) * weights))
        f4 = self.join_middle(torch.cat([self.middle(middle), _double(f5)], 1))
        f3 = self.join_fine(torch.cat([F.avg_pool2d(self.fine(fine), 2), f4], 1))
        maps = [self.refine[0](f3), self.refine[1](f4), _double(self.refine[2](f5))]
        joined = self.join(torch.cat(maps, 1))
        corners = _corner_coordinates(*joined.shape[2:], joined.device).to(joined.dtype)
        corners = corners.expand(joined.shape[0], -1, -1, -1)
        return self.coordinates(torch.cat([joined, corners], 1))


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=False)


@cache
def _corner_coordinates(height: int, width: int, device: torch.device) -> Tensor:
    """x, then y, from -1 to 1 with both ends (CoordConv), float32 ``[1, 2, H, W]``."""
    x = torch.linspace(-1, 1, width, device=device)
    y = torch.linspace(-1, 1, height, device=device)
    return torch.stack(torch.meshgrid(x, y, indexing='xy'))[None]
