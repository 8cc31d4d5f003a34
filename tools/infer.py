# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Segments an image: ``python tools/infer.py IMAGE "the red circle" --config C --weights W``."""

from __future__ import annotations

import _importable  # noqa: F401  # isort: skip

import sys

from magnet_mm.cli.dispatch import run_command
from magnet_mm.cli.infer import main

if __name__ == '__main__':
    sys.exit(run_command(main, None, 'infer'))
