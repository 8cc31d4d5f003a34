# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Key maps of released checkpoints and their conversion."""

from magnet_mm.released.caris import CARIS
from magnet_mm.released.conversion import (
    build_model,
    convert_checkpoint,
    convert_state_dict,
    count_elements,
)
from magnet_mm.released.cris import CRIS
from magnet_mm.released.crossvlt import CROSSVLT
from magnet_mm.released.efn import EFN
from magnet_mm.released.key_map import KeyMap
from magnet_mm.released.lavt import LAVT
from magnet_mm.released.magnet import MAGNET
from magnet_mm.released.published import PublishedCheckpoint, read_published, recognise
from magnet_mm.released.rela import RELA
from magnet_mm.released.vlt import VLT

__all__ = [
    'CARIS',
    'CRIS',
    'CROSSVLT',
    'EFN',
    'KeyMap',
    'LAVT',
    'MAGNET',
    'PublishedCheckpoint',
    'RELA',
    'VLT',
    'build_model',
    'convert_checkpoint',
    'convert_state_dict',
    'count_elements',
    'read_published',
    'recognise',
]
