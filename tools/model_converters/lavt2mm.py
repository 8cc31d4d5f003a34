# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Convert a published LAVT checkpoint.

Usage: python tools/model_converters/lavt2mm.py SRC.pth DST.pth [--config CONFIG]
"""

from _command_line import run

from magnet_mm.released import LAVT

if __name__ == '__main__':
    run(LAVT, __doc__.splitlines()[0])
