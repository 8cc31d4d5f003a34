# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Model components, registered into mmseg's registries."""

from magnet_mm.models.auxiliary_heads import (
    AlignmentLoss,
    BoundaryHead,
    MaskGroundingHead,
    PixelContrastHead,
    StageAlignmentHead,
)
from magnet_mm.models.cross_modal_encoder import CrossModalEncoder
from magnet_mm.models.decode_heads import (
    CARISHead,
    CoupAlignHead,
    CRISHead,
    DeformablePixelDecoder,
    EFNHead,
    LAVTHead,
    LTSHead,
    OneQueryMask2FormerHead,
    ReLAHead,
    SentenceMaskAlignment,
    SentencePixelAggregation,
    VLTHead,
)
from magnet_mm.models.fusion import (
    CoupAlignFusion,
    CrossVLTFusion,
    EFNFusion,
    LAVTFusion,
    MagNetFusion,
)
from magnet_mm.models.losses import MultiClassDiceLoss
from magnet_mm.models.segmentors import ReferringSegmentor
from magnet_mm.models.text import (
    ClipTextEncoder,
    EFNTextEncoder,
    ImagePromptedBert,
    StagewiseBert,
    StagewiseTextEncoder,
    VLTText,
)
from magnet_mm.models.visual import (
    StagewiseAdapter,
    StagewiseClipResNet,
    StagewiseDarknet,
    StagewiseResNet,
    StagewiseSwin,
    StemStageResNet,
    YoloDarknet,
)

__all__ = [
    'AlignmentLoss',
    'BoundaryHead',
    'CARISHead',
    'CRISHead',
    'ClipTextEncoder',
    'CoupAlignFusion',
    'CoupAlignHead',
    'CrossModalEncoder',
    'CrossVLTFusion',
    'DeformablePixelDecoder',
    'EFNFusion',
    'EFNHead',
    'EFNTextEncoder',
    'ImagePromptedBert',
    'LAVTFusion',
    'LAVTHead',
    'LTSHead',
    'MagNetFusion',
    'MaskGroundingHead',
    'MultiClassDiceLoss',
    'OneQueryMask2FormerHead',
    'PixelContrastHead',
    'ReLAHead',
    'ReferringSegmentor',
    'SentenceMaskAlignment',
    'SentencePixelAggregation',
    'StageAlignmentHead',
    'StagewiseAdapter',
    'StagewiseBert',
    'StagewiseClipResNet',
    'StagewiseDarknet',
    'StagewiseResNet',
    'StagewiseSwin',
    'StagewiseTextEncoder',
    'StemStageResNet',
    'VLTHead',
    'VLTText',
    'YoloDarknet',
]
