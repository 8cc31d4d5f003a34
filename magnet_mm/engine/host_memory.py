# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Memory of the processor: what torch frees is kept for the next tensor.

glibc takes a large tensor fresh from the system and gives it back when it is freed. The system then
fills every page with zeros again, at every operation of every step: a third of a training step of
MagNet on the CPU (docs/performance.md). torch caches the memory of accelerators itself, so this is
for CPU runs alone.
"""

from __future__ import annotations

import ctypes
import os
import platform

from mmengine.device import get_device

# Names and numbers from glibc's malloc.h; M_MMAP_MAX = 0: nothing is taken outside the heap,
# M_TRIM_THRESHOLD = -1: the heap never shrinks.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_OPTIONS = {_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: -1, _M_TOP_PAD: 64 * 2**20}
_VARIABLES = ('MALLOC_MMAP_MAX_', 'MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_')


def keep_freed_memory() -> bool:
    """Let this process, and those it forks from now on, keep the memory that tensors free.

    The process then stays as large as it once was. Nothing is changed where an accelerator does
    the work, where the C library is not glibc, and where the user has set one of glibc's own
    variables (``MALLOC_TRIM_THRESHOLD_=131072`` switches this off). Our choice.

    Returns:
        Whether it is in effect.
    """
    if get_device() != 'cpu' or platform.libc_ver()[0] != 'glibc':
        return False
    if any(variable in os.environ for variable in _VARIABLES):
        return False
    libc = ctypes.CDLL(None)
    return all([libc.mallopt(option, value) == 1 for option, value in _OPTIONS.items()])
