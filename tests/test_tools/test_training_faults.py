# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""MagNet's training, killed through the command line: one process, and one of two (gloo)."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from magnet_mm.refshapes import write_refshapes

REPOSITORY = Path(__file__).resolve().parents[2]
EPOCHS = 3
# The shipped small config, smaller still, with all that draws random numbers.
CONFIG = f"""
_base_ = {str(REPOSITORY / 'configs/magnet_tiny_refshapes.py')!r}
custom_imports = dict(imports=['magnet_mm', 'trace_hook'], allow_failed_imports=False)
custom_hooks = [dict(type='TraceHook')]
model = dict(
    data_preprocessor=dict(size=(64, 64)),
    backbone=dict(
        visual=dict(
            _delete_=True, type='StagewiseSwin', embed_dims=16, depths=[1, 1, 1, 1],
            num_heads=[1, 1, 2, 2], window_size=4, drop_path_rate=0.2),
        text=dict(config=dict(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1))))
train_cfg = dict(max_epochs={EPOCHS}, val_interval=1)
"""
OPTIONS = (
    *('train_dataloader.batch_size=4', 'train_dataloader.num_workers=2'),
    *('val_dataloader.dataset.indices=12', 'val_dataloader.num_workers=1'),
    *('model.auxiliary_head.0.corruption=0.5', 'param_scheduler.0.start_factor=1.0'),
    *('train_dataloader.dataset.pipeline.2.scale=(64,64)',),
    *('val_dataloader.dataset.pipeline.2.scale=(64,64)',),
)
# Imported by the training processes: notes loss, learning rate and sentences of each iteration.
TRACE_HOOK = """
import json, os
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

@HOOKS.register_module()
class TraceHook(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        entry = dict(
            rank=get_rank(), pid=os.getpid(), iter=runner.iter,
            loss=float(outputs['loss']).hex(),
            lr=runner.optim_wrapper.get_lr()['lr'][0].hex(),
            sentences=[sample.expression for sample in data_batch['data_samples']])
        path = os.path.join(runner.work_dir, 'trace')
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, (json.dumps(entry) + '\\n').encode())
        os.close(descriptor)
"""

# One worker of pytest-xdist runs them all: they share the trainings that nothing interrupted.
pytestmark = [pytest.mark.faults, pytest.mark.xdist_group('training_faults')]


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """Folder with data, config and the hook."""
    root = tmp_path_factory.mktemp('faults')
    write_refshapes(root / 'data', 0, dict(train=10, val=4, testA=1, testB=1))
    (root / 'config.py').write_text(CONFIG)
    (root / 'trace_hook.py').write_text(TRACE_HOOK)
    return root


@pytest.fixture(scope='module')
def start(root):
    """Return a function (name, processes, *arguments) -> process group of a training."""

    def launch(name, processes, *arguments):
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            port = free.getsockname()[1]
        environment = dict(
            os.environ,
            REFSHAPES_ROOT=str(root / 'data'),
            PYTHONPATH=f'{root}:{REPOSITORY}',
            PYTHON=sys.executable,
            PORT=str(port),
            OMP_NUM_THREADS='1',
            CUDA_VISIBLE_DEVICES='-1',
        )
        tool, config = REPOSITORY / 'tools', root / 'config.py'
        command = [sys.executable, tool / 'train.py', config]
        if processes > 1:
            command = ['bash', tool / 'dist_train.sh', config, processes]
        command += ['--work-dir', root / name, *arguments, '--cfg-options', *OPTIONS]
        log = open(root / f'{name}.log', 'ab')
        return subprocess.Popen(
            [str(part) for part in command],
            stdout=log,
            stderr=log,
            cwd=root,
            env=environment,
            start_new_session=True,
        )

    return launch


def finish(process, root, name, seconds=900):
    assert process.wait(seconds) == 0, (root / f'{name}.log').read_text()[-4000:]


@pytest.fixture(scope='module')
def straight(root, start):
    """Work directories of uninterrupted trainings, by number of processes."""

    def train(processes):
        name = f'straight_{processes}'
        if not (root / name).exists():
            finish(start(name, processes), root, name)
        return root / name

    return train


def trace(work_dir):
    path = work_dir / 'trace'
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def wait_for(condition, process, seconds=600):
    """Poll until the condition holds (True) or the process has ended (False)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.05)
    raise AssertionError('the training does not get on')


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f'/proc/{pid}/stat').read_text().split()[2] == 'Z'


def load(path):
    return torch.load(path, weights_only=True)


def assert_same(work_dir, expected_dir):
    def key(entry):
        return entry['rank'], entry['iter']

    def content(entry):
        return {name: value for name, value in entry.items() if name != 'pid'}

    expected = {key(entry): content(entry) for entry in trace(expected_dir)}
    found = trace(work_dir)
    assert {key(entry) for entry in found} == set(expected)
    assert all(content(entry) == expected[key(entry)] for entry in found)
    files = sorted(path.name for path in expected_dir.glob('*.pth*'))
    assert sorted(path.name for path in work_dir.glob('*.pth*')) == files and len(files) == 3
    for name in files:
        one, other = load(work_dir / name)['state_dict'], load(expected_dir / name)['state_dict']
        assert all(torch.equal(one[tensor], other[tensor]) for tensor in other)


def test_one_process_killed_at_random_times(root, start, straight):
    expected = straight(1)
    total = len(trace(expected))
    assert total >= 12
    work_dir, moments, kills = root / 'killed', random.Random(2), 0
    for _ in range(20):
        if kills == 8:
            break
        done = max((entry['iter'] for entry in trace(work_dir)), default=-1)
        target = min(done + moments.randint(0, total // 4), total - 1)
        process = start('killed', 1, '--resume')
        seen = len(trace(work_dir))
        if wait_for(
            lambda: any(e['iter'] >= target for e in trace(work_dir)[seen:]),  # noqa: B023
            process,
        ):
            time.sleep(moments.uniform(0, 0.3))  # in the epoch, saving, or validating
        if process.poll() is None:
            process.kill()
            kills += 1
        process.wait()
    finish(start('killed', 1, '--resume'), root, 'killed')
    assert_same(work_dir, expected)
    print(f'\nMagNet, one process: killed {kills} times')
    assert kills >= 4


@pytest.mark.parametrize('victim', [0, 1])
def test_one_of_two_processes_killed(root, start, straight, victim):
    expected = straight(2)
    name = f'killed_rank_{victim}'
    work_dir = root / name
    process = start(name, 2)
    half = max(entry['iter'] for entry in trace(expected)) // 2
    assert wait_for(lambda: any(entry['iter'] >= half for entry in trace(work_dir)), process)
    pids = {entry['rank']: entry['pid'] for entry in trace(work_dir)}
    os.kill(pids[victim], signal.SIGKILL)
    began = time.monotonic()
    assert process.wait(300) != 0
    seconds = time.monotonic() - began
    assert gone(pids[0]) and gone(pids[1])
    print(f'\nrank {victim} killed: the run ended with an error after {seconds:.0f} s')
    finish(start(name, 2, '--resume'), root, name)
    assert_same(work_dir, expected)


def test_same_seed_gives_the_same_run(root, start, straight):
    expected = straight(1)
    finish(start('again', 1), root, 'again')
    assert_same(root / 'again', expected)
