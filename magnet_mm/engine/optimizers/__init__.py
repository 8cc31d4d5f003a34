# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""How parameters are grouped for the optimiser."""
