# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Convert a published EFN checkpoint.

Usage: python tools/model_converters/efn2mm.py SRC.pth DST.pth [--config CONFIG]
"""

from _command_line import run

from magnet_mm.released import EFN

if __name__ == '__main__':
    run(EFN, __doc__.splitlines()[0])
