# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Checkpoint files: written atomically, read without running code from them, resumed from."""
