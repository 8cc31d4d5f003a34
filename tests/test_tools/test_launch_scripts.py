# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What the shell scripts start, and what the tools say when libraries are missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


def run_script(script, *args, path=None, **environment):
    """Run a script with a program that prints its arguments in the place of the real one."""
    environment = {**os.environ, **environment}
    if path is not None:
        environment['PATH'] = f'{path}:{environment["PATH"]}'
    command = ['bash', str(TOOLS / script), *args]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture
def echo(tmp_path):
    for name in ('srun', 'python'):
        (tmp_path / name).write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        (tmp_path / name).chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ('tool', 'arguments'), [('train', ['c.py']), ('test', ['c.py', 'epoch 1.pth'])]
)
def test_torchrun(echo, tool, arguments):
    environment = dict(NNODES='2', NODE_RANK='1', PORT='1234', MASTER_ADDR='10.0.0.1')
    cfg_option = ['--cfg-options', 'a="[1, 2]"']
    done = run_script(
        f'dist_{tool}.sh', *arguments, '8', *cfg_option, path=echo, PYTHON='python', **environment
    )
    assert done.stdout.splitlines() == [
        '-m',
        'torch.distributed.run',
        '--nnodes=2',
        '--node_rank=1',
        '--master_addr=10.0.0.1',
        '--master_port=1234',
        '--nproc_per_node=8',
        str(TOOLS / f'{tool}.py'),
        *arguments,
        '--launcher',
        'pytorch',
        *cfg_option,
    ]


@pytest.mark.parametrize(
    ('tool', 'arguments'), [('train', ['c.py']), ('test', ['c.py', 'epoch 1.pth'])]
)
def test_slurm(echo, tool, arguments):
    done = run_script(
        f'slurm_{tool}.sh',
        'gpu',
        'job',
        *arguments,
        '--work-dir',
        'a b',
        path=echo,
        PYTHON='python',
        GPUS='4',
        SRUN_ARGS='--mem=8G --qos=low',
    )
    assert done.stdout.splitlines() == [
        '-p',
        'gpu',
        '--job-name=job',
        '--gres=gpu:4',
        '--ntasks=4',
        '--ntasks-per-node=4',
        '--cpus-per-task=5',
        '--kill-on-bad-exit=1',
        '--mem=8G',
        '--qos=low',
        'python',
        '-u',
        str(TOOLS / f'{tool}.py'),
        *arguments,
        '--launcher',
        'slurm',
        '--work-dir',
        'a b',
    ]


@pytest.mark.parametrize('script', ['dist_train', 'dist_test', 'slurm_train', 'slurm_test'])
def test_usage(script):
    done = run_script(f'{script}.sh', 'only-one')
    assert done.returncode == 2
    assert done.stderr.startswith('usage: ') and 'CONFIG' in done.stderr


@pytest.mark.parametrize('tool', ['train.py', 'test.py'])
def test_missing_libraries_are_named(tool):
    # -S leaves out site-packages
    command = [sys.executable, '-S', str(TOOLS / tool), '--help']
    environment = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert done.stderr.startswith(f'{tool}: torch, mmengine, mmcv, mmdet, mmseg, transformers not')
