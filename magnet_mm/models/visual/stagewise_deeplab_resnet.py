# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""DeepLab's ResNet in Caffe style with TensorFlow's padding, stage by stage."""

from __future__ import annotations

import torch.nn.functional as F
from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS
from torch import Tensor

from magnet_mm.models.visual.pretrained_visual import PretrainedVisual
from magnet_mm.models.visual.stagewise_resnet import StagewiseResNet


@MODELS.register_module()
class StagewiseDeepLabResNet(PretrainedVisual, ResNet):
    """mmseg's ResNet (one 7x7 convolution at the start), maps at strides 4, 8, 8, 8.

    The arguments are those of mmseg's ``ResNet``, with DeepLab's as defaults: the stride sits in
    the first 1x1 convolution of a block (``style='caffe'``), stages 3 and 4 dilate by 2 and 4.
    The start pads as TensorFlow's SAME does: on even sizes what is odd goes right and below
    (docs/methods/cmpc.md) [C].
    """

    def __init__(
        self,
        depth: int = 101,
        style: str = 'caffe',
        strides: tuple[int, ...] = (1, 2, 1, 1),
        dilations: tuple[int, ...] = (1, 1, 2, 4),
        **kwargs,
    ) -> None:
        super().__init__(depth, style=style, strides=strides, dilations=dilations, **kwargs)
        self.conv1.padding = (0, 0)
        self.maxpool.padding = 0
        self.channels: tuple[int, ...] = tuple(
            self.base_channels * 2**index * self.block.expansion
            for index in range(len(self.res_layers))
        )

    def embed(self, images: Tensor) -> Tensor:
        """``[B, 3, H, W]`` to the pooled stem ``[B, H/4, W/4, base_channels]``."""
        x = self.relu(self.norm1(self.conv1(_same(images, 7))))
        # The values are at least 0, so that a border of zeros changes no maximum.
        return self.maxpool(_same(x, 3)).permute(0, 2, 3, 1)

    stage = StagewiseResNet.stage
    downsample = StagewiseResNet.downsample


def _same(x: Tensor, kernel: int) -> Tensor:
    """Pad for a step of 2 as TensorFlow's SAME does."""
    padding = []
    for length in (x.shape[3], x.shape[2]):
        total = max((-(-length // 2) - 1) * 2 + kernel - length, 0)
        padding += [total // 2, total - total // 2]
    return F.pad(x, padding)
