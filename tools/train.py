# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Trains a model: ``python tools/train.py CONFIG [--work-dir DIR] [--resume] [--amp] ...``."""

from __future__ import annotations

import _importable  # noqa: F401  # isort: skip

from magnet_mm.cli.train import main

if __name__ == '__main__':
    main()
