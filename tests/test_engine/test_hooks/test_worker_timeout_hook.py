# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A data-loading worker that hangs or dies ends the run with an error."""

import os
import time

import pytest
from mmseg.registry import DATASETS
from torch.utils.data import DataLoader

from magnet_mm.engine import WorkerTimeoutHook
from magnet_mm.errors import ConfigError


@pytest.fixture
def fault(make_runner):
    """Return a function (loader, action, **changes) -> runner whose fifth item does `action`."""
    numbers = DATASETS.get('NoisyNumbers')

    @DATASETS.register_module(force=True)
    class FaultyNumbers(numbers):
        def __init__(self, action) -> None:
            super().__init__()
            self.action = action

        def __getitem__(self, index):
            if index == 5:
                dict(hang=lambda: time.sleep(300), die=lambda: os.kill(os.getpid(), 9))[
                    self.action
                ]()
            return super().__getitem__(index)

    def make(loader, action):
        changes = {
            f'{loader}.dataset': dict(type='FaultyNumbers', action=action, _delete_=True),
            f'{loader}.num_workers': 2,
            'default_hooks.worker_timeout.seconds': 5,
        }
        return make_runner(f'{loader}_{action}', **changes)

    return make


@pytest.mark.slow
@pytest.mark.parametrize('loader', ['train_dataloader', 'val_dataloader'])
def test_hung_worker_is_an_error(fault, loader):
    began = time.monotonic()
    with pytest.raises(RuntimeError, match='timed out after 5 seconds'):
        fault(loader, 'hang').train()
    assert time.monotonic() - began < 120  # 5 seconds and a busy machine; not 300


@pytest.mark.slow
def test_killed_worker_is_an_error(fault):
    with pytest.raises(RuntimeError, match='killed by signal|exited unexpectedly'):
        fault('train_dataloader', 'die').train()


def test_only_loaders_with_workers_and_without_a_limit_get_one():
    hook = WorkerTimeoutHook(seconds=7)
    for options, expected in (
        (dict(num_workers=1), 7),
        (dict(num_workers=1, timeout=3), 3),
        (dict(num_workers=0), 0),
    ):
        loader = DataLoader([1, 2], **options)
        hook.limit(loader)
        assert loader.timeout == expected
    with pytest.raises(ConfigError, match='not 0'):
        WorkerTimeoutHook(seconds=0)
