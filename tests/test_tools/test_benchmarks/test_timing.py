# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Times, peaks and shares."""

import mmap
import time

import numpy as np
import pytest
import torch
from benchmarks import interleave, matmul_peak, summarise, time_parts
from benchmarks.machine import peak_memory
from torch import nn

CPU = torch.device('cpu')


def test_calls_take_turns():
    order = []
    seconds = interleave([lambda: order.append('a'), lambda: order.append('b')], CPU, 2, warmup=1)
    assert order == ['a', 'b'] * 3
    assert [len(times) for times in seconds] == [2, 2]
    assert all(time >= 0 for times in seconds for time in times)


def test_summary():
    assert summarise([3.0, 1.0, 2.0]) == dict(median=2.0, min=1.0, max=3.0)


def test_peak_of_a_matrix_product():
    peak = matmul_peak(CPU, torch.float32, repeats=1)
    assert 1e8 < peak < 1e14


def test_memory_of_a_block():
    with peak_memory(CPU) as before:
        time.sleep(0.01)
    with peak_memory(CPU) as memory:
        held = mmap.mmap(-1, 2**27)  # new pages: torch may use freed ones again
        np.frombuffer(held, np.uint8)[:] = 1
        time.sleep(0.5)  # long enough for the sampling thread of a busy machine
    assert len(held) == 2**27
    assert 1e8 < memory['bytes'] - before['bytes'] < 2e8


class FakeClock:
    """Time that passes only when told, so that a busy machine does not matter."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Worker(nn.Module):
    """Takes as long as it is told, and then lets the module inside it work."""

    def __init__(self, clock: FakeClock, seconds: float, inside: nn.Module | None = None) -> None:
        super().__init__()
        self.clock = clock
        self.seconds = seconds
        self.pixel_decoder = inside

    def forward(self) -> None:
        self.clock.now += self.seconds
        if self.pixel_decoder is not None:
            self.pixel_decoder()
            self.clock.now += self.seconds

    embed = stage = forward


def test_shares_of_the_parts(monkeypatch):
    clock = FakeClock()
    monkeypatch.setattr(time, 'perf_counter', clock)
    model = nn.Module()
    model.backbone = nn.Module()
    model.backbone.visual = Worker(clock, 2.0)
    model.decode_head = Worker(clock, 1.0, Worker(clock, 3.0))

    def call():
        clock.now += 1.0
        model.backbone.visual.stage()
        model.decode_head()

    shares = time_parts(model, call, CPU)
    # the pixel decoder inside the head is not counted twice
    assert shares == pytest.approx(
        {'visual': 2 / 8, 'decode head': 2 / 8, 'pixel decoder': 3 / 8, 'other': 1 / 8}
    )
    assert 'stage' not in vars(model.backbone.visual)  # the method is the class's again
