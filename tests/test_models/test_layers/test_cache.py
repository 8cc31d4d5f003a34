# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Kept constants: computed once, usable in training, never a tracer's symbols."""

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from magnet_mm.models.layers import cache


def counted():
    calls = []

    @cache
    def ramp(length: int, device: torch.device) -> torch.Tensor:
        calls.append(length)
        return torch.arange(length, dtype=torch.float32, device=device)

    return ramp, calls


def test_computed_once_per_arguments():
    ramp, calls = counted()
    cpu = torch.device('cpu')
    assert ramp(3, cpu) is ramp(3, cpu)
    assert ramp(4, cpu).shape == (4,)
    assert calls == [3, 4]


def test_made_under_inference_mode_and_used_in_training():
    ramp, _ = counted()
    with torch.inference_mode():
        ramp(3, torch.device('cpu'))
    weight = torch.ones(3, requires_grad=True)
    (weight * ramp(3, torch.device('cpu'))).sum().backward()
    assert weight.grad.tolist() == [0.0, 1.0, 2.0]


def test_symbols_are_not_kept():
    ramp, calls = counted()
    with FakeTensorMode():
        ramp(3, torch.device('cpu'))
    assert type(ramp(3, torch.device('cpu'))) is torch.Tensor
    assert calls == [3, 3]


def test_only_so_many_are_kept():
    ramp, calls = counted()
    for length in range(100):
        ramp(length, torch.device('cpu'))
    ramp(99, torch.device('cpu'))
    assert len(calls) == 100
    ramp(0, torch.device('cpu'))  # the oldest one is gone
    assert calls[-1] == 0
