# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The learning rate of a run is the one that batch and number of epochs ask for."""

import re
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmseg.registry import HOOKS

from magnet_mm.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
SCHEDULES = ROOT / 'configs/_base_/schedules'
ITERATIONS = 3  # of an epoch: 12 items in batches of 4


@HOOKS.register_module(force=True)
class RatesHook(Hook):
    """Keeps the learning rate of each iteration."""

    rates: list[float] = []

    def before_train(self, runner) -> None:
        RatesHook.rates = []

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        RatesHook.rates.append(runner.optim_wrapper.get_lr()['lr'][0])


@pytest.fixture
def train(make_runner, monkeypatch):
    """Return a function (schedule, epochs, **changes): the runner, and the rates of its steps."""
    monkeypatch.setattr('mmengine.config.Config.pretty_text', '')
    monkeypatch.setattr('mmengine.runner.runner.collect_env', dict)
    monkeypatch.setattr('mmengine.runner.runner.get_git_hash', str)

    def training(schedule, epochs, name='run', **changes):
        cfg = Config.fromfile(SCHEDULES / f'{schedule}.py')
        MMLogger._instance_dict.clear()  # else a run of the same second logs into another's file
        runner = make_runner(
            name,
            epochs=epochs,
            custom_hooks=[dict(type='RatesHook')],
            **{'param_scheduler': cfg.param_scheduler, **changes},
        )
        runner.train()
        return runner, RatesHook.rates

    return training


def log_of(runner):
    return ''.join(path.read_text() for path in Path(runner.log_dir).glob('*.log'))


def poly(step, total, base=0.01):
    """mmengine's PolyLR: the value at step 0 .. total - 1, the last of which is 0."""
    return base * (1 - step / (total - 1)) ** 0.9


@pytest.mark.parametrize('epochs', [1, 3, 5])
def test_truth_8_the_decay_ends_with_the_training(train, epochs):
    _, rates = train('schedule_40e', epochs)
    total = epochs * ITERATIONS
    assert rates == pytest.approx([poly(step, total) for step in range(total)], abs=1e-12)
    assert rates[-2] > 0


def test_truth_8_five_epochs_of_the_config_with_three_and_its_warm_up(train):
    cfg = Config.fromfile(SCHEDULES / 'schedule_refshapes.py')
    assert (cfg.train_cfg.max_epochs, cfg.param_scheduler[0].end) == (3, 100)
    cfg.param_scheduler[0].end = 4  # of 15 iterations here
    _, rates = train('schedule_refshapes', 5, param_scheduler=cfg.param_scheduler)
    warm_up = [0.01 + 0.99 * min(step, 3) / 3 for step in range(15)]
    expected = [factor * poly(step, 15) for step, factor in enumerate(warm_up)]
    assert rates == pytest.approx(expected, abs=1e-12)
    assert rates[9] > 0.3 * 0.01  # epoch 4, where it was 0


def test_truth_8_no_shipped_config_names_an_end():
    for path in SCHEDULES.glob('*.py'):
        cfg = Config.fromfile(path)
        assert 'max_epochs' not in cfg  # changing it would change nothing
        by_epoch = [s for s in cfg.param_scheduler if s.type == 'PolyLR' and s.by_epoch]
        assert all('end' not in s for s in by_epoch)  # CMPC's counts 800,000 steps [C]


def test_truth_8_a_schedule_that_ends_too_early_is_refused(train):
    early = dict(type='PolyLR', power=0.9, end=2, convert_to_iter_based=True)
    with pytest.raises(
        ConfigError, match='ends after iteration 6.* after iteration 9.* would be 0'
    ):
        train('schedule_40e', 3, param_scheduler=[early])
    runner, rates = train('schedule_40e', 3, 'kept', param_scheduler=[dict(early, eta_min=0.001)])
    assert rates[-3:] == pytest.approx([0.001] * 3)
    assert 'from there on the learning rate stays as it is' in log_of(runner)


def test_truth_8_a_schedule_that_the_training_does_not_reach_is_said(train):
    late = dict(type='PolyLR', power=0.9, end=40, convert_to_iter_based=True)
    runner, _ = train('schedule_40e', 2, param_scheduler=[late])
    assert 'PolyLR ends after iteration 120, the training after iteration 6' in log_of(runner)
    warm_up = dict(type='LinearLR', start_factor=0.01, end=100, by_epoch=False)
    runner, _ = train('schedule_40e', 2, 'warm', param_scheduler=[warm_up])
    assert 'never reaches its full value' in log_of(runner)


def test_truth_8_a_resumed_run_of_more_epochs_follows_its_own_schedule(train):
    train('schedule_40e', 2)
    runner, rates = train('schedule_40e', 4, resume=True)
    assert rates == pytest.approx([poly(step, 12) for step in range(6, 12)], abs=1e-12)
    assert "follows this run's schedule" in log_of(runner)


def test_truth_8_a_resumed_run_with_another_batch_follows_its_own_schedule(train):
    train('schedule_40e', 2, param_scheduler=[dict(type='PolyLR', power=0.9, end=4)])
    _, rates = train('schedule_40e', 4, resume=True, **{'train_dataloader.batch_size': 2})
    assert rates == pytest.approx([poly(step, 24) for step in range(12, 24)], abs=1e-12)


def test_truth_9_another_batch_is_said_loudly(train):
    runner, _ = train('schedule_40e', 1, auto_scale_lr=dict(enable=False, base_batch_size=32))
    log = log_of(runner)
    assert 'a batch of 4: 1 process(es) x 4 x 1 accumulated. Its learning rate is for a' in log
    assert 'optim_wrapper.accumulative_counts=8' in log
    assert 'train_dataloader.batch_size=32' in log and 'auto_scale_lr.enable=True' in log
    counts = {'optim_wrapper.accumulative_counts': 8}
    runner, _ = train('schedule_40e', 1, 'same', **counts)
    assert 'This training has a batch of' not in log_of(runner)


@pytest.mark.parametrize('counts', [1, 2])
def test_truth_9_scaling_counts_accumulated_batches(train, counts):
    runner, rates = train(
        'schedule_40e',
        2,
        auto_scale_lr=dict(enable=True, base_batch_size=16),
        **{'optim_wrapper.accumulative_counts': counts},
    )
    base = 0.01 * 4 * counts / 16
    assert rates == pytest.approx([poly(step, 6, base) for step in range(6)], abs=1e-12)
    # and a resumed run goes on with it
    _, rates = train(
        'schedule_40e',
        3,
        resume=True,
        auto_scale_lr=dict(enable=True, base_batch_size=16),
        **{'optim_wrapper.accumulative_counts': counts},
    )
    assert rates == pytest.approx([poly(step, 9, base) for step in range(6, 9)], abs=1e-12)


def joined(page):
    return page.read_text().replace('\\\n', ' ')


def test_truth_9_documented_commands_train_with_the_batch_of_the_recipe():
    pages = [ROOT / 'README.md', *(ROOT / 'docs').rglob('*.md'), *(ROOT / 'configs').glob('*.py')]
    commands = {
        found
        for page in pages
        for found in re.findall(r'dist_train\.sh (configs/\S+\.py) (\d+)(.*)', joined(page))
        if 'refshapes' not in found[0] and 'auto_scale_lr' not in found[2]
    }
    assert len(commands) >= 3
    for path, processes, options in commands:
        cfg = Config.fromfile(ROOT / path)
        counts = re.search(r'accumulative_counts=(\d+)', options)
        total = int(processes) * cfg.train_dataloader.batch_size * int(counts[1] if counts else 1)
        assert total == cfg.auto_scale_lr.base_batch_size, (path, processes)
