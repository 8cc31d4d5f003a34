# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What the machine can do: the peak of a plain matrix product, memory, and its description."""

from __future__ import annotations

import gc
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.timing import time_once

_SIDE = 1024  # our choice: reaches the peak of a CPU; eight times that on an accelerator


def matmul_peak(device: torch.device, dtype: torch.dtype, repeats: int = 8) -> float:
    """Operations per second of the fastest of several square matrix products.

    Args:
        device: where.
        dtype: type of both factors.
        repeats: products; a multiplication and an addition are two operations.
    """
    side = _SIDE if device.type == 'cpu' else 8 * _SIDE
    with torch.inference_mode():
        left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        out = torch.empty_like(left)
        fastest = min(
            time_once(lambda: torch.mm(left, right, out=out), device) for _ in range(repeats + 1)
        )
    return 2 * side**3 / fastest


@contextmanager
def peak_memory(device: torch.device) -> Iterator[dict[str, float]]:
    """Fill ``bytes`` of the dict it gives: the most memory that was in use inside the block.

    On CUDA what torch allocated; on the CPU the resident memory of the process, sampled every
    5 ms (needs psutil).
    """
    result: dict[str, float] = {}
    gc.collect()
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
        yield result
        result['bytes'] = torch.cuda.max_memory_allocated(device)
        return
    import psutil

    process, done = psutil.Process(), threading.Event()
    peaks = [process.memory_info().rss]

    def watch() -> None:
        while not done.wait(0.005):
            peaks.append(max(peaks.pop(), process.memory_info().rss))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield result
    finally:
        done.set()
        thread.join()
    result['bytes'] = peaks[0]


def describe_machine(device: torch.device) -> dict[str, str | int]:
    """Processor, threads and versions."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path('/proc/cpuinfo')
    if cpuinfo.is_file():
        lines = cpuinfo.read_text(encoding='utf-8').splitlines()
        name = next((x.split(':', 1)[1].strip() for x in lines if x.startswith('model name')), name)
    if device.type == 'cuda':
        name = torch.cuda.get_device_name(device)
    return dict(
        device=name,
        threads=torch.get_num_threads(),
        python=platform.python_version(),
        torch=torch.__version__,
    )
