# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Convert a published CrossVLT checkpoint.

Usage: python tools/model_converters/crossvlt2mm.py SRC.pth DST.pth [--config CONFIG]
"""

from _command_line import run

from magnet_mm.released import CROSSVLT

if __name__ == '__main__':
    run(CROSSVLT, __doc__.splitlines()[0])
