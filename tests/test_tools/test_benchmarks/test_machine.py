# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The machine's peak, its memory and its name."""

import mmap
import platform
import time

import torch
from benchmarks.machine import describe_machine, matmul_peak, peak_memory

CPU = torch.device('cpu')


def test_matmul_peak_is_a_speed(monkeypatch):
    # Three products, the fastest of which takes a quarter of a second.
    seconds = iter([1.0, 0.25, 0.5])
    monkeypatch.setattr('benchmarks.machine.time_once', lambda call, device: next(seconds))
    monkeypatch.setattr('benchmarks.machine._SIDE', 10)
    assert matmul_peak(CPU, torch.float32, repeats=2) == 2 * 10**3 / 0.25


def test_peak_memory_sees_what_was_freed_again():
    with peak_memory(CPU) as before:
        pass
    with peak_memory(CPU) as while_held:
        # not through malloc, which may have as much at hand
        with mmap.mmap(-1, 300_000_000) as pages:
            pages.write(bytes(300_000_000))
            time.sleep(0.1)
    assert 2.5e8 < while_held['bytes'] - before['bytes'] < 7e8


def test_description():
    described = describe_machine(CPU)
    assert described['threads'] == torch.get_num_threads()
    assert described['python'] == platform.python_version()
    assert described['torch'] == torch.__version__
    assert described['device']
