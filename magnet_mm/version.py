# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Version of the package."""

__version__ = '0.1.0'
