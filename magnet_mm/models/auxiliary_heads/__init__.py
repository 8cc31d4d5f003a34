# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Heads that only exist in training; each is a plug-in for any method."""

from magnet_mm.models.auxiliary_heads.alignment_loss import AlignmentLoss
from magnet_mm.models.auxiliary_heads.boundary_head import BoundaryHead
from magnet_mm.models.auxiliary_heads.mask_encoders import CentreMaskEncoder, PooledMaskEncoder
from magnet_mm.models.auxiliary_heads.mask_grounding_head import MaskGroundingHead
from magnet_mm.models.auxiliary_heads.pixel_contrast_head import PixelContrastHead
from magnet_mm.models.auxiliary_heads.stage_alignment_head import StageAlignmentHead

__all__ = [
    'AlignmentLoss',
    'BoundaryHead',
    'CentreMaskEncoder',
    'MaskGroundingHead',
    'PixelContrastHead',
    'PooledMaskEncoder',
    'StageAlignmentHead',
]
