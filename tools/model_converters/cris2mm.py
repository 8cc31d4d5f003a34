# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Convert a published CRIS checkpoint.

Usage: python tools/model_converters/cris2mm.py SRC.pth DST.pth [--config CONFIG]
"""

from _command_line import run

from magnet_mm.released import CRIS

if __name__ == '__main__':
    run(CRIS, __doc__.splitlines()[0])
