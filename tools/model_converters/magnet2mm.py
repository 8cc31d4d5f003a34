# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Convert a published MagNet checkpoint.

Usage: python tools/model_converters/magnet2mm.py SRC.pth DST.pth [--config CONFIG]
"""

from _command_line import run

from magnet_mm.released import MAGNET

if __name__ == '__main__':
    run(MAGNET, __doc__.splitlines()[0])
