# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Tensor operations without parameters."""

from magnet_mm.models.layers.cache import cache
from magnet_mm.models.layers.deformable_attention import deformable_attention
from magnet_mm.models.layers.grid import cell_centres
from magnet_mm.models.layers.position import sine_position

__all__ = [
    'cell_centres',
    'cache',
    'deformable_attention',
    'sine_position',
]
