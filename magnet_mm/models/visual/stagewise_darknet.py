# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""mmdet's Darknet-53, stage by stage."""

from __future__ import annotations

import warnings

from mmdet.models.backbones import Darknet
from mmseg.registry import MODELS
from torch import Tensor

from magnet_mm.models.visual.pretrained_visual import PretrainedVisual


@MODELS.register_module()
class StagewiseDarknet(PretrainedVisual, Darknet):
    """Darknet-53 that lets language in after its blocks at strides 4, 8, 16 and 32.

    The arguments are those of mmdet's ``Darknet``. YOLOv3 uses the last three maps; the one of
    stride 4 (128 channels) is fused as well, so that every head sees the strides it knows (our
    choice).

    Warns:
        UserWarning: when the weights are a YOLOv3's, which has seen the test images.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.channels: tuple[int, ...] = tuple(
            out for _, out in self.arch_settings[self.depth][1][1:]
        )
        if 'yolo' in str((kwargs.get('init_cfg') or {}).get('checkpoint', '')).lower():
            warnings.warn(
                'These Darknet weights are those of a YOLOv3 detector. If it was trained on all of '
                'COCO, as the published ones were, it has seen the val and test images of RefCOCO, '
                'RefCOCO+ and G-Ref: do not compare its scores with published ones.',
                stacklevel=2,
            )

    def embed(self, images: Tensor) -> Tensor:
        """``[B, 3, H, W]`` to the blocks before stride 4, ``[B, H/2, W/2, 64]``."""
        first, second = self.cr_blocks[:2]
        return getattr(self, second)(getattr(self, first)(images)).permute(0, 2, 3, 1)

    def stage(self, index: int, x: Tensor) -> Tensor:
        """One strided convolution and its residual blocks, to ``[B, H_i, W_i, C_i]``."""
        block = getattr(self, self.cr_blocks[index + 2])
        return block(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def downsample(self, index: int, v: Tensor) -> Tensor:
        """``V_i`` as it is: the next stage strides itself."""
        return v
