# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Checking and converting data sets."""
