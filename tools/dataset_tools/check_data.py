# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Checks a data root: ``python tools/dataset_tools/check_data.py data/refer [--images]``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import _importable  # noqa: E402, F401

from magnet_mm.data_tools.checking.command_line import main  # noqa: E402

if __name__ == '__main__':
    sys.exit(main())
