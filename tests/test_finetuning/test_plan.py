# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Batch, accumulation, learning rate and epochs, by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from magnet_mm.finetuning import memory
from magnet_mm.finetuning.memory import free_memory, step_memory
from magnet_mm.finetuning.plan import Recipe, decide

GIB = 2**30
RECIPE = Recipe(batch=32, rate=5e-5)


@pytest.mark.parametrize(
    ('items', 'free', 'expected'),
    [
        # batch_size, accumulated, rate, epochs, interval, warm_up
        # 10 GiB * 0.8 - 2 GiB leaves room for 6 samples of 1 GiB: 4 at a time. 600 / 31 = 20
        (1000, 10 * GIB, (4, 8, 2.5e-5, 20, 2, 31)),
        (1000, 100 * GIB, (32, 1, 2.5e-5, 20, 2, 31)),
        (1000, None, (32, 1, 2.5e-5, 20, 2, 31)),
        (1000, GIB, (1, 32, 2.5e-5, 20, 2, 31)),  # does not fit: as little as can be
        # 40 // 8 = 5: a batch of 4; half of 5e-5 * sqrt(4 / 32)
        (40, None, (4, 1, 8.8e-6, 50, 5, 25)),
        (3, None, (2, 1, 6.3e-6, 50, 5, 2)),
        (100_000, None, (32, 1, 2.5e-5, 5, 1, 781)),
    ],
)
def test_decisions(items, free, expected):
    plan = decide(items, RECIPE, (2 * GIB, GIB), free)
    assert (
        plan.batch_size, plan.accumulated, plan.rate, plan.epochs, plan.interval, plan.warm_up
    ) == expected  # fmt: skip
    assert plan.batch == plan.batch_size * plan.accumulated
    assert f'{items} training items' in plan.reasons['batch']


def test_epochs_of_the_user():
    plan = decide(1000, RECIPE, (0, 1), None, epochs=3)
    assert (plan.epochs, plan.interval, plan.reasons['epochs']) == (3, 1, 'as you said.')


class Small(nn.Module):
    """Saves the input of the weight (8 floats a sample), and its output for the square (4)."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 4)
        self.frozen = nn.Linear(8, 4).requires_grad_(False)

    def data_preprocessor(self, batch, training):
        assert training
        return dict(inputs=batch)

    def forward(self, inputs, mode):
        assert mode == 'loss'
        return dict(loss=self.layer(inputs).square().mean())

    def parse_losses(self, losses):
        return losses['loss'], {}


def test_memory_of_a_step():
    fixed, each = step_memory(Small(), torch.ones(2, 8), 2)
    assert fixed == 16 * 36 + 4 * 72  # the frozen layer has no gradient and no moments
    assert each == 1.5 * 4 * (8 + 4)


def test_free_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, 'get_device', lambda: 'cpu')
    monkeypatch.setattr(memory, 'MEMINFO', tmp_path / 'meminfo')
    assert free_memory() is None
    (tmp_path / 'meminfo').write_text('MemTotal: 9 kB\nMemAvailable:   7 kB\n')
    assert free_memory() == 7 * 1024
