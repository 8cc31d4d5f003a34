# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Fusion modules; each sees one stage. Swapping methods means swapping this entry of a config."""

from magnet_mm.models.fusion.cam import CAM
from magnet_mm.models.fusion.coupalign_fusion import CoupAlignFusion
from magnet_mm.models.fusion.crossvlt_fusion import CrossVLTFusion
from magnet_mm.models.fusion.efn_fusion import EFNFusion
from magnet_mm.models.fusion.lavt_fusion import LAVTFusion
from magnet_mm.models.fusion.magnet_fusion import MagNetFusion
from magnet_mm.models.fusion.text_pwam import TextPWAM
from magnet_mm.models.fusion.word_pixel_alignment import WordPixelAlignment
from magnet_mm.models.layers.pwam import PWAM, LanguageGate

__all__ = [
    'CAM',
    'CoupAlignFusion',
    'CrossVLTFusion',
    'EFNFusion',
    'LAVTFusion',
    'LanguageGate',
    'MagNetFusion',
    'PWAM',
    'TextPWAM',
    'WordPixelAlignment',
]
