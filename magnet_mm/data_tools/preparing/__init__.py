# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Turns what people have of the data sets into the files that are read here."""

from magnet_mm.data_tools.preparing.preparer import prepare

__all__ = ['prepare']
