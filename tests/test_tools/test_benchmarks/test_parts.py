# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Shares of the parts of a model, with a clock that is moved by hand."""

import time

import pytest
import torch
from benchmarks.parts import time_parts
from torch import nn


class Part(nn.Module):
    """Takes ``seconds``, and calls another part in the middle."""

    def __init__(self, now: list[float], seconds: float, inner: nn.Module | None = None) -> None:
        super().__init__()
        self.now, self.seconds = now, seconds
        self._inner = [inner] if inner else []

    def forward(self) -> None:
        self.now[0] += self.seconds / 2
        for inner in self._inner:
            inner()
        self.now[0] += self.seconds / 2


class Model(nn.Module):
    """A decode head of 2 s with a pixel decoder of 4 s inside, and 4 s beside both."""

    def __init__(self, now: list[float]) -> None:
        super().__init__()
        self.now = now
        pixel_decoder = Part(now, 4.0)
        self.decode_head = Part(now, 2.0, pixel_decoder)
        self.decode_head.pixel_decoder = pixel_decoder

    def forward(self) -> None:
        self.now[0] += 4.0
        self.decode_head()


@pytest.fixture
def now(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, 'perf_counter', lambda: now[0])
    return now


def test_a_part_inside_another_is_taken_off(now):
    model = Model(now)
    shares = time_parts(model, model, torch.device('cpu'))
    assert shares == pytest.approx({'decode head': 0.2, 'pixel decoder': 0.4, 'other': 0.4})
    assert 'forward' not in vars(model.decode_head)  # as it was before
