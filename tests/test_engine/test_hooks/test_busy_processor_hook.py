# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Steps of a clock that is set by hand."""

import logging

import pytest
import torch

from magnet_mm.engine import BusyProcessorHook
from magnet_mm.engine.hooks import busy_processor_hook
from magnet_mm.errors import ConfigError


@pytest.fixture
def step(monkeypatch):
    """Call it with a hook, the seconds of a step and its images for the threads afterwards."""
    clock, said = [0.0], []
    monkeypatch.setattr(busy_processor_hook.time, 'perf_counter', lambda: clock[0])
    monkeypatch.setattr(
        busy_processor_hook, 'print_log', lambda text, **how: said.append((text, how['level']))
    )
    monkeypatch.setattr(
        busy_processor_hook, 'threads_are_ours', lambda: torch.get_num_threads() > 1
    )
    torch.set_num_threads(2)

    def run(hook, seconds, images=4):
        batch = dict(inputs=[None] * images)
        hook.before_train_iter(None, 0, batch)
        clock[0] += seconds
        hook.after_train_iter(None, 0, batch, {})
        return torch.get_num_threads()

    run.said = said
    yield run
    torch.set_num_threads(1)


def test_three_slow_steps_in_a_row(step):
    hook = BusyProcessorHook()
    # 0.1 s an image at first, 0.05 at best; the last batch of an epoch has one image
    for seconds, images in ((0.4, 4), (0.2, 4), (0.7, 4), (0.7, 4), (0.5, 4), (0.06, 1), (0.7, 4)):
        assert step(hook, seconds, images) == 2
    assert step(hook, 0.64) == 2 and step.said == []
    assert step(hook, 0.64) == 1
    [(text, level)] = step.said
    assert '3 steps in a row took more than 3 times the best (160 ms an image, 50 at best)' in text
    assert 'instead of 2' in text and level == logging.WARNING
    assert step(hook, 5.0) == 1 and len(step.said) == 1  # said once


def test_one_thread_has_nothing_to_fall_back_to(step):
    torch.set_num_threads(1)
    hook = BusyProcessorHook(steps=1)
    step(hook, 0.1)
    step(hook, 10.0)
    assert step.said == []


def test_arguments():
    with pytest.raises(ConfigError, match='factor must be above 1'):
        BusyProcessorHook(factor=1)
    with pytest.raises(ConfigError, match='steps positive'):
        BusyProcessorHook(steps=0)
