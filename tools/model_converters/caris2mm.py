# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Convert a published CARIS checkpoint.

Usage: python tools/model_converters/caris2mm.py SRC.pth DST.pth [--config CONFIG]
"""

from _command_line import run

from magnet_mm.released import CARIS

if __name__ == '__main__':
    run(CARIS, __doc__.splitlines()[0])
