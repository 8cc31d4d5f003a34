# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Training killed at any moment and resumed equals the training that was never interrupted.

Every run is a forked process, so that it can be killed with SIGKILL; what it did stands in files.
"""

import errno
import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmseg.registry import HOOKS, METRICS

from magnet_mm import atomic_files

EPOCHS = 3  # the second validation is no best one, the third replaces the best of the first


@METRICS.register_module(force=True)
class WeightsMetric(BaseMetric):
    """A score that is a function of the weights, and goes up and down; notes each validation."""

    default_prefix = None

    def __init__(self, trace: str) -> None:
        super().__init__()
        self.trace = trace

    def process(self, data_batch, data_samples) -> None:
        self.results.extend(data_samples)

    def compute_metrics(self, results) -> dict:
        score = abs(sum(results)) * 1000 % 100
        note(self.trace, dict(score=score.hex()))
        return dict(oIoU=score)


@HOOKS.register_module(force=True)
class TraceHook(Hook):
    """Notes loss, learning rate and data of every iteration, digit for digit."""

    def __init__(self, trace: str) -> None:
        self.trace = trace

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        note(
            self.trace,
            dict(
                iter=runner.iter,
                loss=outputs['loss'].item().hex(),
                lr=runner.optim_wrapper.get_lr()['lr'][0].hex(),
                data=float(sum(vector.sum() for vector in data_batch['inputs'])).hex(),
            ),
        )


@HOOKS.register_module(force=True)
class KillHook(Hook):
    """Kills the process in the middle of the validation after one epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if runner.epoch == self.epoch and batch_idx == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def note(path, entry) -> None:
    """Append a line in one system call, which survives a kill."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, (json.dumps(entry) + '\n').encode())
    os.close(descriptor)


def fork(function, *args) -> multiprocessing.Process:
    process = multiprocessing.get_context('fork').Process(target=function, args=args)
    process.start()
    return process


def run(function, *args) -> int:
    """Exit code of a function in a process of its own; negative: the signal that killed it."""
    process = fork(function, *args)
    process.join(120)
    assert process.exitcode is not None, 'the process hangs'
    return process.exitcode


def halfway(action):
    """An `open` whose files do `action` when half of what is written is on disk."""

    class Writable:  # a file object takes no new attributes
        def __init__(self, path, mode):
            self.file = open(path, mode)

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, data):
            self.file.write(data[: len(data) // 2])
            self.file.flush()
            action()
            self.file.write(data[len(data) // 2 :])

    return Writable


class Steps:
    """Counts the steps of writing and removing files in this process; kills it at one of them."""

    def __init__(self, kill_at: int | None = None) -> None:
        self.kill_at = kill_at
        self.count = 0

    def step(self) -> None:
        if self.count == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1

    def around(self, function):
        def wrapped(*args, **kwargs):
            self.step()
            result = function(*args, **kwargs)
            self.step()
            return result

        return wrapped

    def install(self) -> None:
        for name in ('fsync', 'replace', 'remove'):
            setattr(os, name, self.around(getattr(os, name)))

        atomic_files.open = halfway(self.step)


@pytest.fixture
def train(make_runner, tmp_path, monkeypatch):
    """Return a function (name, epochs=3, resume=False, prepare=None, **changes): a training."""
    # Formatting the config, and asking compilers and git, take longer than the training.
    monkeypatch.setattr('mmengine.config.Config.pretty_text', '')
    monkeypatch.setattr('mmengine.runner.runner.collect_env', dict)
    monkeypatch.setattr('mmengine.runner.runner.get_git_hash', str)

    def training(name, epochs=EPOCHS, resume=False, prepare=None, **changes):
        if prepare is not None:
            prepare()
        trace = str(tmp_path / f'{name}.trace')
        hooks = [dict(type='TraceHook', trace=trace), *changes.pop('custom_hooks', [])]
        make_runner(
            name,
            epochs=epochs,
            resume=resume,
            custom_hooks=hooks,
            val_evaluator=dict(type='WeightsMetric', trace=trace),
            **{'val_dataloader.dataset.noise': 0.0},
            **changes,
        ).train()

    return training


def load(path):
    return torch.load(path, weights_only=True)


def trace_of(tmp_path, name):
    """Iterations and validations of a run, repeated ones too."""
    lines = [json.loads(line) for line in (tmp_path / f'{name}.trace').read_text().splitlines()]
    return [x for x in lines if 'iter' in x], [x['score'] for x in lines if 'score' in x]


def assert_same_tensors(one, other):
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert torch.equal(value, other[key]), key


def assert_same_run(tmp_path, name, straight='straight'):
    """The run ended with the weights, files and scores of the straight one; no step differed."""
    expected, scores = trace_of(tmp_path, straight)
    found, found_scores = trace_of(tmp_path, name)
    by_iteration = {entry['iter']: entry for entry in expected}
    assert all(entry == by_iteration[entry['iter']] for entry in found)
    assert {entry['iter'] for entry in found} == set(by_iteration)
    assert set(found_scores) == set(scores)
    ours, theirs = tmp_path / name, tmp_path / straight
    names = sorted(path.name for path in theirs.glob('*.pth*'))
    assert sorted(path.name for path in ours.glob('*.pth*')) == names
    assert len(names) == 3  # the last two and the best; nothing unfinished
    assert Path((ours / 'last_checkpoint').read_text()).name == f'epoch_{EPOCHS}.pth'
    for file in names:
        one, other = load(ours / file), load(theirs / file)
        assert_same_tensors(one['state_dict'], other['state_dict'])
        info, other_info = (c['message_hub']['runtime_info'] for c in (one, other))
        assert info['best_score'] == other_info['best_score']
        if 'optimizer' in other:
            for index, state in other['optimizer']['state'].items():
                assert_same_tensors(one['optimizer']['state'][index], state)


@pytest.fixture
def straight(train):
    """A training that nothing interrupted."""
    assert run(train, 'straight') == 0


@pytest.fixture
def number_of_steps(train, tmp_path):
    """How many steps of writing and removing a training takes."""

    def count():
        steps = Steps()
        steps.install()
        train('counted')
        (tmp_path / 'steps').write_text(str(steps.count))

    assert run(count) == 0
    return int((tmp_path / 'steps').read_text())


def crash_and_resume(train, tmp_path, name, kill_at):
    steps = Steps(kill_at)
    assert run(train, name, EPOCHS, False, steps.install) == -signal.SIGKILL
    last = tmp_path / name / 'last_checkpoint'
    assert not last.exists() or load(last.read_text())['meta']['epoch'] >= 1
    assert run(train, name, EPOCHS, True) == 0
    assert_same_run(tmp_path, name)


@pytest.mark.slow
def test_killed_while_writing(train, straight, number_of_steps, tmp_path):
    for kill_at in random.Random(0).sample(range(number_of_steps), 5):
        crash_and_resume(train, tmp_path, f'killed_{kill_at}', kill_at)


@pytest.mark.faults
@pytest.mark.parametrize('half', [0, 1])  # in two processes of pytest-xdist
def test_killed_at_every_step_of_writing(train, straight, number_of_steps, tmp_path, half):
    assert number_of_steps > 60
    steps = range(half, number_of_steps, 2)
    for kill_at in steps:
        crash_and_resume(train, tmp_path, f'killed_{kill_at}', kill_at)
    print(f'\nkilled while writing: {len(steps)} times, all resumed to the same weights')


@pytest.mark.faults
def test_killed_at_random_times(train, straight, tmp_path):
    began = time.monotonic()
    assert run(train, 'timed') == 0
    duration = time.monotonic() - began
    moments, kills, trainings = random.Random(1), 0, 0
    while kills < 30 and trainings < 100:
        name, resume = f'random_{trainings}', False
        trainings += 1
        for _ in range(3):  # the resumed run is killed too
            process = fork(train, name, EPOCHS, resume)
            process.join(moments.uniform(0.2, 1.0) * duration)
            if process.exitcode is None:
                process.kill()
                kills += 1
            else:
                duration *= 0.8  # the timed one had a slow moment
            process.join()
            resume = True
        assert run(train, name, EPOCHS, True) == 0
        assert_same_run(tmp_path, name)
    print(f'\nkilled at random times: {kills} times in {trainings} trainings')
    assert kills >= 30


@pytest.mark.parametrize('epoch', [1, EPOCHS])
def test_validation_cut_short_is_run_again(train, straight, tmp_path, epoch):
    killer = dict(type='KillHook', epoch=epoch)

    def killed():
        train('cut', custom_hooks=[killer])

    assert run(killed) == -signal.SIGKILL
    assert len(trace_of(tmp_path, 'cut')[1]) == epoch - 1
    assert run(train, 'cut', EPOCHS, True) == 0
    assert_same_run(tmp_path, 'cut')
    scores = trace_of(tmp_path, 'cut')[1]
    assert scores == trace_of(tmp_path, 'straight')[1]
    # a finished one is not repeated
    assert run(train, 'cut', EPOCHS, True) == 0
    assert trace_of(tmp_path, 'cut')[1] == scores


def damage(path, how):
    content = path.read_bytes()
    middle = len(content) // 2
    if how == 'bit-flipped':  # in a weight: half of the file is padding
        middle = content.index(load(path)['state_dict']['linear.weight'].numpy().tobytes())
    path.write_bytes(
        {
            'truncated': content[:middle],
            'empty': b'',
            'bit-flipped': content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            'zeroed': content[:middle] + bytes(len(content) - middle),
        }[how]
    )


@pytest.mark.parametrize('how', ['truncated', 'empty', 'bit-flipped', 'zeroed'])
def test_damaged_newest_checkpoint_is_passed_over(train, straight, tmp_path, how):
    assert run(train, 'damaged', EPOCHS - 1) == 0
    damage(tmp_path / 'damaged/epoch_2.pth', how)
    assert run(train, 'damaged', EPOCHS, True) == 0
    log = ''.join(path.read_text() for path in (tmp_path / 'damaged').glob('*/*.log'))
    assert 'epoch_2.pth: it ' in log or 'epoch_2.pth: the checksum' in log
    assert f'Resuming from the newest intact checkpoint, {tmp_path}/damaged/epoch_1.pth' in log
    assert_same_run(tmp_path, 'damaged')


@pytest.mark.parametrize('content', ['', '/elsewhere/epoch_9.pth', None])
def test_damaged_pointer_is_passed_over(train, straight, tmp_path, content):
    assert run(train, 'pointer', EPOCHS - 1) == 0
    pointer = tmp_path / 'pointer/last_checkpoint'
    pointer.unlink() if content is None else pointer.write_text(content)
    assert run(train, 'pointer', EPOCHS, True) == 0
    assert trace_of(tmp_path, 'pointer')[0] == trace_of(tmp_path, 'straight')[0]
    assert_same_run(tmp_path, 'pointer')


def test_nothing_intact_is_an_error(train, tmp_path, capfd):
    assert run(train, 'none', 1) == 0
    damage(tmp_path / 'none/epoch_1.pth', 'truncated')
    assert run(train, 'none', EPOCHS, True) == 1
    assert 'CheckpointError: No checkpoint of' in capfd.readouterr().err


def test_full_disk_keeps_the_last_checkpoint(train, straight, tmp_path, capfd):
    def no_space():
        raise OSError(errno.ENOSPC, 'No space left on device')

    @HOOKS.register_module(force=True)
    class FullDiskHook(Hook):
        """After the second epoch nothing can be written completely."""

        priority = 'HIGH'

        def after_train_epoch(self, runner) -> None:
            if runner.epoch == 1:
                atomic_files.open = halfway(no_space)

    def fill():
        train('full', custom_hooks=[dict(type='FullDiskHook')])

    assert run(fill) == 1
    error = capfd.readouterr().err
    assert 'CheckpointError' in error and 'epoch_2.pth' in error and 'Make room' in error
    files = sorted(path.name for path in (tmp_path / 'full').glob('*.pth*'))
    assert files == ['best_oIoU_epoch_1.pth', 'epoch_1.pth']
    assert run(train, 'full', EPOCHS, True) == 0
    assert_same_run(tmp_path, 'full')
