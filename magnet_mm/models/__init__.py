# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Model components, registered into mmseg's registries."""

from magnet_mm.models.auxiliary_heads import (
    AlignmentLoss,
    MaskGroundingHead,
    PixelContrastHead,
)
from magnet_mm.models.cross_modal_encoder import CrossModalEncoder
from magnet_mm.models.decode_heads import (
    CoupAlignHead,
    DeformablePixelDecoder,
    LAVTHead,
    OneQueryMask2FormerHead,
    SentenceMaskAlignment,
    SentencePixelAggregation,
)
from magnet_mm.models.fusion import CoupAlignFusion, LAVTFusion, MagNetFusion
from magnet_mm.models.losses import MultiClassDiceLoss
from magnet_mm.models.segmentors import ReferringSegmentor
from magnet_mm.models.text import StagewiseBert, StagewiseTextEncoder
from magnet_mm.models.visual import (
    StagewiseAdapter,
    StagewiseDarknet,
    StagewiseResNet,
    StagewiseSwin,
)

__all__ = [
    'AlignmentLoss',
    'CoupAlignFusion',
    'CoupAlignHead',
    'CrossModalEncoder',
    'DeformablePixelDecoder',
    'LAVTHead',
    'MagNetFusion',
    'MaskGroundingHead',
    'MultiClassDiceLoss',
    'OneQueryMask2FormerHead',
    'LAVTFusion',
    'PixelContrastHead',
    'ReferringSegmentor',
    'SentenceMaskAlignment',
    'SentencePixelAggregation',
    'StagewiseAdapter',
    'StagewiseBert',
    'StagewiseDarknet',
    'StagewiseResNet',
    'StagewiseSwin',
    'StagewiseTextEncoder',
]
