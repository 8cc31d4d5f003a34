# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Key maps of released checkpoints and their conversion."""

from magnet_mm.checkpoints.key_map import KeyMap
from magnet_mm.checkpoints.magnet import MAGNET

__all__ = ['MAGNET', 'KeyMap']
