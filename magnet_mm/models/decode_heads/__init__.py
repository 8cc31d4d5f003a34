# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Heads that turn cross-modal features into mask logits."""

from magnet_mm.models.decode_heads.caris_head import CARISHead
from magnet_mm.models.decode_heads.cmpc_head import CMPCHead
from magnet_mm.models.decode_heads.coupalign_head import CoupAlignHead
from magnet_mm.models.decode_heads.cris_head import CRISHead
from magnet_mm.models.decode_heads.deformable_pixel_decoder import DeformablePixelDecoder
from magnet_mm.models.decode_heads.efn_head import EFNHead
from magnet_mm.models.decode_heads.lavt_head import LAVTHead
from magnet_mm.models.decode_heads.lscm_head import LSCMHead
from magnet_mm.models.decode_heads.lts_head import LTSHead
from magnet_mm.models.decode_heads.mask_generator import MaskGenerator
from magnet_mm.models.decode_heads.no_target_head import NoTargetHead
from magnet_mm.models.decode_heads.one_query_mask2former_head import OneQueryMask2FormerHead
from magnet_mm.models.decode_heads.rela_head import ReLAHead
from magnet_mm.models.decode_heads.sentence_mask_alignment import (
    SentenceMaskAlignment,
    SentencePixelAggregation,
)
from magnet_mm.models.decode_heads.vlt_head import VLTHead

__all__ = [
    'CARISHead',
    'CMPCHead',
    'LSCMHead',
    'CRISHead',
    'CoupAlignHead',
    'DeformablePixelDecoder',
    'EFNHead',
    'LAVTHead',
    'LTSHead',
    'MaskGenerator',
    'NoTargetHead',
    'OneQueryMask2FormerHead',
    'ReLAHead',
    'SentenceMaskAlignment',
    'SentencePixelAggregation',
    'VLTHead',
]
