# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""One module per system, see :func:`parity.check.load_system`."""
