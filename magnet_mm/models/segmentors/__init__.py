# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Segmentors: they only compose encoder and heads."""

from magnet_mm.models.segmentors.dense_crf_segmentor import DenseCRFSegmentor
from magnet_mm.models.segmentors.referring_segmentor import ReferringSegmentor
from magnet_mm.models.segmentors.tta_model import ReferringTTAModel

__all__ = ['DenseCRFSegmentor', 'ReferringSegmentor', 'ReferringTTAModel']
