# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Compares our models with stored outputs of the released networks.

A system is one module of :mod:`parity.systems`; see :func:`parity.check.check`.
"""

from parity.check import check
from parity.compare import Row
from parity.golden import Case, Golden

__all__ = ['Case', 'Golden', 'Row', 'check']
