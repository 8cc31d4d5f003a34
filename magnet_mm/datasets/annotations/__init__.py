# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Readers of annotation files: refs pickles, gRefCOCO, JSON lines, and their masks."""
