# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The dataset checker: what is in a data root, whether it is sound, and what to do next."""

from magnet_mm.data_tools.checking.checker import CheckResult, check_root
from magnet_mm.data_tools.checking.findings import Finding, Findings

__all__ = ['CheckResult', 'Finding', 'Findings', 'check_root']
