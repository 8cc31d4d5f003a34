# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""RefShapes: the embedded default data, made by a seeded generator in RefCOCO's own file format."""

from magnet_mm.refshapes.scene import HELD_OUT
from magnet_mm.refshapes.semantics import KINDS, referents
from magnet_mm.refshapes.writer import (
    DEFAULT_COUNTS,
    SPLITS,
    make_example,
    write_refshapes,
)

__all__ = [
    'DEFAULT_COUNTS',
    'HELD_OUT',
    'KINDS',
    'SPLITS',
    'make_example',
    'referents',
    'write_refshapes',
]
