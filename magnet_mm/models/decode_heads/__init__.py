# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Heads that turn cross-modal features into mask logits."""

from magnet_mm.models.decode_heads.deformable_pixel_decoder import DeformablePixelDecoder
from magnet_mm.models.decode_heads.lavt_head import LAVTHead
from magnet_mm.models.decode_heads.one_query_mask2former_head import OneQueryMask2FormerHead

__all__ = ['DeformablePixelDecoder', 'LAVTHead', 'OneQueryMask2FormerHead']
