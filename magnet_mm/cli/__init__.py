# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The command line ``magnet-mm COMMAND``; ``tools/`` has the same commands for a checkout."""

from magnet_mm.cli.dispatch import main

__all__ = ['main']
