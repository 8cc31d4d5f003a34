# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Key maps of released checkpoints and their conversion."""

from magnet_mm.checkpoints.conversion import (
    build_model,
    convert_checkpoint,
    convert_state_dict,
    count_elements,
)
from magnet_mm.checkpoints.key_map import KeyMap
from magnet_mm.checkpoints.lavt import LAVT
from magnet_mm.checkpoints.magnet import MAGNET
from magnet_mm.checkpoints.published import PublishedCheckpoint, read_published, recognise

__all__ = [
    'LAVT',
    'MAGNET',
    'KeyMap',
    'PublishedCheckpoint',
    'build_model',
    'convert_checkpoint',
    'convert_state_dict',
    'count_elements',
    'read_published',
    'recognise',
]
