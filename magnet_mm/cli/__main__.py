# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""``python -m magnet_mm.cli`` is ``magnet-mm``."""

import sys

from magnet_mm.cli.dispatch import main

if __name__ == '__main__':
    sys.exit(main())
