# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Threads of the processor: no more than it has free cores.

OpenMP's threads wait for each other by spinning. Where another program takes the core of one, all
of them spin, and a step takes many times what it takes with one thread; docs/performance.md,
"A busy machine".
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch
from mmengine.device import get_device
from mmengine.logging import print_log

_VARIABLES = ('OMP_NUM_THREADS', 'MKL_NUM_THREADS')
_STATISTICS = Path('/proc/stat')


def threads_are_ours() -> bool:
    """Say whether more than one thread computes here, and the user has not said how many."""
    return (
        get_device() == 'cpu'
        and torch.get_num_threads() > 1
        and not any(variable in os.environ for variable in _VARIABLES)
    )


def use_free_cores(seconds: float = 0.5) -> int:
    """Take no more threads than cores are free now; at least one. The log says so.

    Nothing is changed where an accelerator does the work, where ``OMP_NUM_THREADS`` or
    ``MKL_NUM_THREADS`` is set, and where the system does not say what its cores do (not Linux).

    Args:
        seconds: how long the other programs are watched; 0.5 (our choice).

    Returns:
        The number of threads.
    """
    threads = torch.get_num_threads()
    if not threads_are_ours():
        return threads
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    busy = min(cores, busy_cores(seconds))  # ticks are counted late
    free = max(1, round(cores - busy))
    if free < threads:
        torch.set_num_threads(free)
        print_log(
            f'Other programs keep {busy:.1f} of {cores} cores busy: {free} of {threads} threads '
            'are used. OMP_NUM_THREADS sets another number.',
            logger='current',
        )
    return torch.get_num_threads()


def busy_cores(seconds: float) -> float:
    """How many cores' worth of work this process's cores do meanwhile; 0 where nobody says."""
    before = _busy_seconds()
    time.sleep(seconds)
    return max(0.0, _busy_seconds() - before) / seconds


def _busy_seconds() -> float:
    """Seconds of work of the cores of this process since the machine started (proc(5))."""
    if not _STATISTICS.is_file() or not hasattr(os, 'sched_getaffinity'):
        return 0.0
    names = {f'cpu{core}' for core in os.sched_getaffinity(0)}
    ticks = 0
    for line in _STATISTICS.read_text(encoding='ascii').splitlines():
        name, *numbers = line.split()
        if name in names:
            user, nice, system, _idle, _waiting, interrupts, soft, stolen = map(int, numbers[:8])
            ticks += user + nice + system + interrupts + soft + stolen
    return ticks / os.sysconf('SC_CLK_TCK')
