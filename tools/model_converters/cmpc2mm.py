# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Convert a published CMPC checkpoint, written as .npz (see README.md).

Usage: python tools/model_converters/cmpc2mm.py SRC.npz DST.pth [--config CONFIG]
"""

from _command_line import run

from magnet_mm.released.cmpc import CMPC
from magnet_mm.released.level_sequence import read_released

if __name__ == '__main__':
    run(CMPC, __doc__.splitlines()[0], read=read_released)
