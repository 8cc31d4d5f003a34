# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Memory of the processor: what torch frees is kept for the next tensor.

glibc takes a large tensor fresh from the system and gives it back when it is freed. The system then
fills every page with zeros again, at every operation of every step; docs/performance.md has what
that costs. torch caches the memory of accelerators itself, so this is for CPU runs alone.
"""

from __future__ import annotations

import ctypes
import os
import platform

from mmengine.device import get_device

# Options of glibc's mallopt, by their numbers in malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -2, -3, -4
_VARIABLES = ('MALLOC_MMAP_MAX_', 'MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_')


def keep_freed_memory() -> bool:
    """Let this process, and those it forks from now on, keep the memory that tensors free.

    The process then stays as large as it once was. Nothing is changed where an accelerator does
    the work, where the C library is not glibc, and where the user has set one of glibc's own
    variables (``MALLOC_TRIM_THRESHOLD_=131072`` switches this off). Our choice.

    Returns:
        Whether it is in effect.
    """
    # Nothing is taken outside the heap, and the heap never shrinks.
    return _set_options({_MMAP_MAX: 0, _TRIM_THRESHOLD: -1, _TOP_PAD: 64 * 2**20})


def return_freed_memory() -> bool:
    """Let this process give back what tensors of 1 MB and more free: slower, and smallest.

    Without it glibc raises that bound to 32 MB by itself. For measuring memory; a training with
    ``MALLOC_MMAP_THRESHOLD_=1048576`` in its environment does the same. Our choice.

    Returns:
        Whether it is in effect; as for :func:`keep_freed_memory`.
    """
    return _set_options({_MMAP_THRESHOLD: 2**20})


def _set_options(options: dict[int, int]) -> bool:
    if get_device() != 'cpu' or platform.libc_ver()[0] != 'glibc':
        return False
    if any(variable in os.environ for variable in _VARIABLES):
        return False
    libc = ctypes.CDLL(None)
    return all([libc.mallopt(option, value) == 1 for option, value in options.items()])
