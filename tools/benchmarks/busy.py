# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Training steps beside other programs, with all threads, with one, and as tools/train.py does."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

import torch

from benchmarks.model import Training, Workload
from benchmarks.timing import summarise
from magnet_mm.engine.hooks import BusyProcessorHook
from magnet_mm.engine.run_setup.processor_threads import use_free_cores

_SECONDS = 90  # of one row at most: spinning threads have no end


def measure_busy(workload: Workload, programs: int = 2) -> dict:
    """Measure ``workload.repeats`` steps of a config in every case.

    Args:
        workload: config, batch, repeats.
        programs: endless loops that run beside it.

    Returns:
        ``threads``: torch's own number; ``rows``: ``machine`` (quiet; busy; busy later, where the
        programs come after as many quiet steps, which are not counted), ``way`` (all threads; one
        thread; tools, which is :func:`use_free_cores` and :class:`BusyProcessorHook`),
        ``threads`` at the end, ``steps`` and ``seconds`` of a step.
    """
    training, threads = Training(workload), torch.get_num_threads()
    training.optimiser.update_params(training.loss())
    rows = []
    for machine in ('quiet', 'busy', 'busy later'):
        for way in ('all threads', 'one thread', 'tools'):
            torch.set_num_threads(1 if way == 'one thread' else threads)
            hook = BusyProcessorHook() if way == 'tools' else None
            with _programs(programs if machine == 'busy' else 0):
                if hook:
                    use_free_cores()
                seconds = _steps(training, workload, hook)
            if machine == 'busy later':
                with _programs(programs):
                    seconds = _steps(training, workload, hook)
            rows.append(
                dict(
                    machine=machine,
                    way=way,
                    threads=torch.get_num_threads(),
                    steps=len(seconds),
                    seconds=summarise(seconds),
                )
            )
    torch.set_num_threads(threads)
    return dict(
        config=workload.config, batch=workload.batch, programs=programs, threads=threads, rows=rows
    )


def _steps(training: Training, workload: Workload, hook: BusyProcessorHook | None) -> list[float]:
    batch = dict(inputs=training.images)
    seconds: list[float] = []
    while len(seconds) < workload.repeats and sum(seconds) < _SECONDS:
        began = time.perf_counter()
        if hook:
            hook.before_train_iter(None, 0, batch)
        training.optimiser.update_params(training.loss())
        if hook:
            hook.after_train_iter(None, 0, batch, {})
        seconds.append(time.perf_counter() - began)
    return seconds


@contextlib.contextmanager
def _programs(count: int) -> Iterator[None]:
    """Run endless loops inside the block."""
    running = [subprocess.Popen([sys.executable, '-c', 'while True: pass']) for _ in range(count)]
    try:
        time.sleep(0.5 if running else 0)
        yield
    finally:
        for program in running:
            program.kill()
            program.wait()
