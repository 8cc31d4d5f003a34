# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""MagNet through the command-line tools: training, resuming, testing, two processes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import mmseg
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from magnet_mm.cli import main
from magnet_mm.engine.run_setup.split_evaluation import build_split_datasets, group_by_kind
from magnet_mm.errors import DataError
from magnet_mm.evaluation.score_record import read_record
from magnet_mm.refshapes import write_refshapes

REPOSITORY = Path(__file__).resolve().parents[2]
TOOLS = REPOSITORY / 'tools'
TINY_CONFIG = REPOSITORY / 'configs/magnet_tiny_refshapes.py'
# The shipped small config, with everything that draws random numbers: dropout and drop-path too.
RANDOM_PARTS = f"""
_base_ = {str(TINY_CONFIG)!r}
model = dict(backbone=dict(
    visual=dict(
        _delete_=True, type='StagewiseSwin', embed_dims=16, depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2], window_size=5, drop_path_rate=0.2),
    text=dict(config=dict(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1))))
"""
TRAIN_OPTIONS = (
    'train_cfg.val_interval=1',
    'train_dataloader.batch_size=4',
    'train_dataloader.num_workers=2',
    'model.auxiliary_head.0.corruption=0.5',  # else most of these few sentences stay as they are
    'param_scheduler.1.end=3',  # so that one epoch is the beginning of two
    'param_scheduler.0.start_factor=1.0',  # without warm-up, so that masks differ from nothing
)
TEST_OPTIONS = ('test_dataloader.dataset.indices=7', 'test_dataloader.batch_size=1')

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def environment(tmp_path_factory):
    """Environment of the tools: tiny RefShapes data; magnet_mm not on the path."""
    data_root = tmp_path_factory.mktemp('refshapes')
    write_refshapes(data_root / 'data', 0, dict(train=4, val=2, testA=1, testB=1))
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    own = dict(
        REFSHAPES_ROOT=str(data_root / 'data'),
        PYTHON=sys.executable,
        PORT=str(port),
        OMP_NUM_THREADS='1',
        CUDA_VISIBLE_DEVICES='-1',
        COLUMNS='200',
    )
    return {**{k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}, **own}


@pytest.fixture(scope='module')
def run(environment, tmp_path_factory):
    """Return a function that runs a command in an empty directory and returns its output."""
    directory = tmp_path_factory.mktemp('anywhere')

    def run_command(*command, **changes):
        done = subprocess.run(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=directory,
            env={**environment, **changes},
            timeout=300,
        )
        assert done.returncode == 0, done.stdout[-5000:]
        return done.stdout

    return run_command


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    """Config file with :data:`RANDOM_PARTS`."""
    path = tmp_path_factory.mktemp('configs') / 'magnet_random_refshapes.py'
    path.write_text(RANDOM_PARTS)
    return path


@pytest.fixture(scope='module')
def train(run, run_tool, config, environment, tmp_path_factory):
    """Return a function (name, epochs, *arguments, fork=True) -> work directory of a training."""
    root = tmp_path_factory.mktemp('work_dirs')

    def run_training(name, epochs, *arguments, fork=True):
        options = ['--cfg-options', f'train_cfg.max_epochs={epochs}', *TRAIN_OPTIONS]
        command = [TOOLS / 'train.py', config, '--work-dir', root / name, *arguments, *options]
        if fork:
            run_tool(*command, **environment)
        else:
            run(sys.executable, *command)
        return root / name

    return run_training


@pytest.fixture(scope='module')
def straight(train):
    """Work directory of two epochs without interruption."""
    return train('straight', 2, fork=False)


@pytest.fixture(scope='module')
def scores(run_tool, config, environment, straight, tmp_path_factory):
    """Scores of one process, and what it printed."""
    out = tmp_path_factory.mktemp('scores')
    printed = run_tool(
        *(TOOLS / 'test.py', config, straight / 'epoch_2.pth'),
        *('--splits', 'val', 'testA', 'val_blank', '--json', out / 'scores.json'),
        *('--out', out / 'items', '--work-dir', out, '--cfg-options', *TEST_OPTIONS),
        **environment,
    )
    return json.loads((out / 'scores.json').read_text()), printed, out


def load(path):
    return torch.load(path, weights_only=True)


def history(checkpoint, name):
    return checkpoint['message_hub']['log_scalars'][f'train/{name}']['log_history'].tolist()


def test_resumed_training_equals_the_uninterrupted_one(train, straight, config):
    cfg = Config.fromfile(str(config))
    assert cfg.model.backbone.visual.drop_path_rate > 0
    assert cfg.model.auxiliary_head[0].type == 'MaskGroundingHead'  # corrupts tokens
    work_dir = train('interrupted', 1)
    assert (work_dir / 'last_checkpoint').read_text() == str(work_dir / 'epoch_1.pth')
    train('interrupted', 2, '--resume')

    expected, resumed = load(straight / 'epoch_2.pth'), load(work_dir / 'epoch_2.pth')
    losses = history(expected, 'loss')
    assert len(set(losses)) == len(losses) >= 4
    for name in ('loss', 'lr', 'aux_0.loss_grounding', 'grad_norm'):
        assert history(resumed, name) == history(expected, name)
    for key, weight in expected['state_dict'].items():
        assert torch.equal(resumed['state_dict'][key], weight), key


def test_scores_of_several_splits(scores):
    results, printed, out = scores
    assert list(results) == ['val', 'testA', 'val_blank']
    precisions = [f'P@0.{tenths}' for tenths in range(5, 10)]
    for split, metrics in results.items():
        assert list(metrics) == ['oIoU', 'mIoU', *precisions, 'by_kind']
        assert set(metrics['by_kind']) <= {'attribute', 'place', 'relation'}
        row = next(line for line in printed.splitlines() if f'│ {split} ' in line)
        assert f'{metrics["oIoU"]:.2f}' in row and f'{metrics["mIoU"]:.2f}' in row
        (items,) = (out / 'items' / split).glob('*.jsonl')
        count = len(items.read_text().splitlines())
        assert count == 7 or (split == 'testA' and 0 < count < 7)  # 7: see TEST_OPTIONS
    assert results['val']['oIoU'] > 0


def test_magnet_mm_score_gives_the_same_scores(scores, environment):
    results, _, out = scores
    (items,) = (out / 'items/testA').glob('*.jsonl')
    data = ['--data', environment['REFSHAPES_ROOT'], '--dataset', 'refshapes', '--split', 'testA']
    assert main(['score', str(items), *data, '--out', str(out / 'referee')]) == 0
    record, tested = (
        read_record(out / 'referee/scores.json'),
        read_record(out / 'items/testA/scores.json'),
    )
    again, resized = record['evaluations']
    assert group_by_kind(again['scores']) == results['testA']
    assert again['protocol'] == tested['evaluations'][0]['protocol']
    assert resized['protocol']['masks'] == 'resized afterwards'
    assert record['data'] == tested['data']
    (predictions,) = record['model']['predictions']
    assert predictions['evaluated'] == tested['model']
    assert len(tested['model']['checkpoint']['sha256']) == 64 and tested['model']['seed'] == 0


def test_mmseg_gives_the_same_scores(run, config, straight, scores, tmp_path):
    tool = Path(mmseg.__file__).parent / '.mim/tools/test.py'
    run(
        *(sys.executable, tool, config, straight / 'epoch_2.pth', '--work-dir', tmp_path),
        *('--out', tmp_path / 'items', '--cfg-options', *TEST_OPTIONS),
        PYTHONPATH=str(REPOSITORY),
    )
    (log,) = tmp_path.glob('2*/*.json')
    metrics = json.loads(log.read_text())
    times = ('data_time', 'time')
    metrics = group_by_kind({key: v for key, v in metrics.items() if key not in times})
    assert metrics == scores[0]['val']


def test_two_processes_give_the_same_scores(run, config, straight, scores, tmp_path):
    run(
        *('bash', TOOLS / 'dist_test.sh', config, straight / 'epoch_2.pth', 2),
        *('--splits', 'val', 'testA', '--json', tmp_path / 'scores.json', '--work-dir', tmp_path),
        *('--cfg-options', *TEST_OPTIONS),
    )
    results = json.loads((tmp_path / 'scores.json').read_text())
    assert results == {split: scores[0][split] for split in ('val', 'testA')}


def test_two_processes_train(run, tmp_path):
    run(
        *('bash', TOOLS / 'dist_train.sh', TINY_CONFIG, 2, '--work-dir', tmp_path),
        *('--cfg-options', 'train_cfg.max_epochs=1', *TRAIN_OPTIONS),
    )
    checkpoint = load(tmp_path / 'epoch_1.pth')
    assert all(0 < loss < 1000 for loss in history(checkpoint, 'loss'))
    assert checkpoint['message_hub']['runtime_info']['best_score'] >= 0


def test_unknown_split_lists_the_existing_ones(environment, monkeypatch):
    monkeypatch.setenv('REFSHAPES_ROOT', environment['REFSHAPES_ROOT'])
    dataset = Config.fromfile(str(TINY_CONFIG)).test_dataloader.dataset
    scope = DefaultScope.overwrite_default_scope('mmseg')
    with scope, pytest.raises(DataError, match='testA, testB, train, val'):
        build_split_datasets(dataset, ['val', 'testC'])
