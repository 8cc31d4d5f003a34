# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Convert a published LSCM checkpoint, written as .npz (see README.md).

Usage: python tools/model_converters/lscm2mm.py SRC.npz DST.pth [--config CONFIG]
"""

from _command_line import run

from magnet_mm.released.level_sequence import read_released
from magnet_mm.released.lscm import LSCM

if __name__ == '__main__':
    run(LSCM, __doc__.splitlines()[0], read=read_released)
