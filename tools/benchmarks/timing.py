# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Wall-clock times of repeated calls."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import torch


def synchronise(device: torch.device) -> None:
    """Wait until an accelerator has done what it was given; nothing on the CPU."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def time_once(call: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, the accelerator's work included."""
    synchronise(device)
    start = time.perf_counter()
    call()
    synchronise(device)
    return time.perf_counter() - start


def interleave(
    calls: Sequence[Callable[[], object]], device: torch.device, repeats: int, warmup: int = 1
) -> list[list[float]]:
    """Seconds of every repeat of every call.

    The calls take turns, so that another program on the machine slows all of them alike and their
    ratio stays.

    Args:
        calls: what is timed.
        device: where it runs.
        repeats: timed turns.
        warmup: turns before, not timed.
    """
    seconds: list[list[float]] = [[] for _ in calls]
    for turn in range(warmup + repeats):
        for times, call in zip(seconds, calls, strict=True):
            elapsed = time_once(call, device)
            if turn >= warmup:
                times.append(elapsed)
    return seconds


def summarise(seconds: Sequence[float]) -> dict[str, float]:
    """``median``, ``min`` and ``max``."""
    return dict(median=statistics.median(seconds), min=min(seconds), max=max(seconds))
