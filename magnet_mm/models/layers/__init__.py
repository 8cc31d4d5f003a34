# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Tensor operations without parameters."""

from magnet_mm.models.layers.constants import constant
from magnet_mm.models.layers.deformable_attention import deformable_attention
from magnet_mm.models.layers.grid import cell_centres
from magnet_mm.models.layers.position import sine_position
from magnet_mm.models.layers.resampling import pooling_matrix, upsampling_matrix

__all__ = [
    'cell_centres',
    'constant',
    'deformable_attention',
    'pooling_matrix',
    'sine_position',
    'upsampling_matrix',
]
