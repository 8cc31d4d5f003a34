# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""mmseg's ResNet, stage by stage."""

from __future__ import annotations

from mmseg.models.backbones import ResNetV1c
from mmseg.registry import MODELS
from torch import Tensor

from magnet_mm.models.visual.pretrained_visual import PretrainedVisual


@MODELS.register_module()
class StagewiseResNet(PretrainedVisual, ResNetV1c):
    """ResNet (V1c: three 3x3 convolutions at the start) that lets language in after each stage.

    The arguments are those of mmseg's ``ResNetV1c``; a stage downsamples in its first block, so
    ``downsample`` has nothing to do.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.channels: tuple[int, ...] = tuple(
            self.base_channels * 2**index * self.block.expansion
            for index in range(len(self.res_layers))
        )

    def embed(self, images: Tensor) -> Tensor:
        """``[B, 3, H, W]`` to the pooled stem ``[B, H/4, W/4, base_channels]``."""
        return self.maxpool(self.stem(images)).permute(0, 2, 3, 1)

    def stage(self, index: int, x: Tensor) -> Tensor:
        """One residual stage, ``[B, H, W, C]`` to ``[B, H_i, W_i, C_i]``."""
        stage = getattr(self, self.res_layers[index])
        return stage(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def downsample(self, index: int, v: Tensor) -> Tensor:
        """``V_i`` as it is: the next stage strides itself."""
        return v
