# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Evaluates a checkpoint: ``python tools/test.py CONFIG CHECKPOINT [--splits val testA testB]``."""

from __future__ import annotations

import _importable  # noqa: F401  # isort: skip

from magnet_mm.cli.test import main

if __name__ == '__main__':
    main()
