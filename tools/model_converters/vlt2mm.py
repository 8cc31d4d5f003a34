# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Convert published VLT weights, a Keras file, which needs h5py.

Usage: python tools/model_converters/vlt2mm.py SRC.h5 DST.pth [--config CONFIG]
"""

from _command_line import run

from magnet_mm.released import VLT

if __name__ == '__main__':
    run(VLT, __doc__.splitlines()[0])
