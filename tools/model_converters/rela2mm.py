# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Convert a published ReLA checkpoint.

Usage: python tools/model_converters/rela2mm.py SRC.pth DST.pth [--config CONFIG]
"""

from _command_line import run

from magnet_mm.released import RELA

if __name__ == '__main__':
    run(RELA, __doc__.splitlines()[0])
