# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Losses that no library has."""

from magnet_mm.models.losses.multi_class_dice import MultiClassDiceLoss
from magnet_mm.models.losses.pixel_contrast import (
    pixel_to_pixel_loss,
    pixel_to_text_loss,
    sample_pixels,
)
from magnet_mm.models.losses.synchronized_cross_entropy import SynchronizedCrossEntropyLoss

__all__ = [
    'MultiClassDiceLoss',
    'SynchronizedCrossEntropyLoss',
    'pixel_to_pixel_loss',
    'pixel_to_text_loss',
    'sample_pixels',
]
