# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Visual backbones that can be run stage by stage."""

from magnet_mm.models.visual.stagewise_adapter import StagewiseAdapter
from magnet_mm.models.visual.stagewise_clip_resnet import StagewiseClipResNet
from magnet_mm.models.visual.stagewise_darknet import StagewiseDarknet
from magnet_mm.models.visual.stagewise_deeplab_resnet import StagewiseDeepLabResNet
from magnet_mm.models.visual.stagewise_resnet import StagewiseResNet
from magnet_mm.models.visual.stagewise_swin import StagewiseSwin
from magnet_mm.models.visual.stem_stage_resnet import StemStageResNet
from magnet_mm.models.visual.yolo_darknet import YoloDarknet

__all__ = [
    'StagewiseDeepLabResNet',
    'StagewiseAdapter',
    'StagewiseClipResNet',
    'StagewiseDarknet',
    'StagewiseResNet',
    'StagewiseSwin',
    'StemStageResNet',
    'YoloDarknet',
]
