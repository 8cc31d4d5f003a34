# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Every config line of docs/training.md, read from the page, in a short training."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.runner import Runner
from mmseg.registry import HOOKS, METRICS

from magnet_mm.engine.run_setup import runtime
from magnet_mm.refshapes import write_refshapes

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / 'docs' / 'training.md').read_text(encoding='utf-8')
BLOCKS = dict(re.findall(r'```python\n# config: (\w+)\n(.*?)```', PAGE, re.DOTALL))
TINY = REPOSITORY / 'configs' / 'magnet_tiny_refshapes.py'
_numbers = itertools.count()

pytestmark = pytest.mark.slow


@METRICS.register_module(force=True)
class ConstantScore(BaseMetric):
    """Scores 50 in every validation."""

    default_prefix = None

    def process(self, data_batch, data_samples) -> None:
        self.results.append(None)

    def compute_metrics(self, results) -> dict:
        return dict(oIoU=50.0)


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    root = tmp_path_factory.mktemp('refshapes') / 'data'
    write_refshapes(root, 0, dict(train=6, val=3, testA=1, testB=1))
    return root


@pytest.fixture
def make_config(data_root, tmp_path, monkeypatch):
    """Return a function (block, epochs, **changes) -> config: the tiny MagNet with that block."""
    monkeypatch.setenv('REFSHAPES_ROOT', str(data_root))

    def make(block, epochs=1, folder=None, **changes):
        number = next(_numbers)
        folder = folder or f'run_{number}'
        path = tmp_path / f'config_{number}.py'
        path.write_text(f'_base_ = {str(TINY)!r}\n{BLOCKS.get(block, "")}')
        cfg = Config.fromfile(path)
        cfg.merge_from_dict(
            dict(
                work_dir=str(tmp_path / folder),
                experiment_name=f'training_page_{number}',
                train_cfg=dict(max_epochs=epochs, val_interval=1),
                train_dataloader=dict(
                    batch_size=4, num_workers=0, persistent_workers=False,
                    dataset=dict(indices=12),
                ),
                val_dataloader=dict(
                    num_workers=0, persistent_workers=False, dataset=dict(indices=6)
                ),
                default_hooks=dict(logger=dict(interval=1)),
                visualizer=dict(name=f'training_page_{number}'),
            )
        )  # fmt: skip
        cfg.merge_from_dict(changes)
        runtime.fit_to_machine(cfg, training=True)
        return cfg

    return make


def train(cfg):
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


def run_folder(runner):
    return Path(runner.work_dir) / runner.timestamp / 'vis_data'


def losses(runner):
    rows = [json.loads(line) for line in (run_folder(runner) / 'scalars.json').open()]
    return [row['loss'] for row in rows if 'loss' in row]


@pytest.mark.parametrize('block', ['pictures', 'activation_checkpointing', 'tta'])
def test_others_train(make_config, block):
    """What these do is tested beside their hooks; here the lines of the page are."""
    assert losses(train(make_config(block))) == losses(train(make_config(None)))


def test_compiling(make_config):
    """Compiling takes a minute; test_compile_hook.py does it."""
    assert HOOKS.build(make_config('compiling').default_hooks.compile).options == {}


def test_tensorboard(make_config):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    runner = train(make_config('tensorboard'))
    runner.visualizer.close()
    events = EventAccumulator(str(run_folder(runner)))
    events.Reload()
    assert [event.value for event in events.Scalars('loss')] == pytest.approx(losses(runner))
    assert {'oIoU', 'lr', 'memory', 'decode.loss_mask'} <= set(events.Tags()['scalars'])
    (picture,) = events.Images('val_samples')
    assert (picture.step, picture.width > 1000) == (3, True)


def test_wandb(make_config, monkeypatch):
    monkeypatch.setenv('WANDB_SILENT', 'true')
    runner = train(make_config('wandb'))
    runner.visualizer.close()
    (record,) = run_folder(runner).glob('wandb/offline-run-*/run-*.wandb')
    content = record.read_bytes()
    for name in (b'decode.loss_mask', b'oIoU', b'val_samples', b'ReferringSegmentor'):
        assert name in content
    assert losses(runner)  # LocalVisBackend is still there
    assert list(record.parent.glob('files/media/images/val_samples_*.png'))


def test_ema(make_config):
    runner = train(make_config('ema', epochs=1))
    checkpoint = torch.load(f'{runner.work_dir}/epoch_1.pth', weights_only=True)
    trained = runner.model.state_dict()
    name = 'decode_head.mask_embed.0.weight'
    source, averaged = (
        checkpoint['ema_state_dict'][f'module.{name}'],
        checkpoint['state_dict'][name],
    )
    assert torch.equal(source, trained[name])
    # close to where it started after three steps of weight 0.0002, unlike the trained weights
    assert 0 < (averaged - source).abs().max()
    assert checkpoint['ema_state_dict']['steps'] == 3


def test_accumulation(make_config):
    runner = train(make_config('accumulation', epochs=2))
    assert runner.iter == 6
    steps = {int(state['step']) for state in runner.optim_wrapper.optimizer.state.values()}
    assert steps == {2}  # after four batches, and after the last two


def test_early_stopping(make_config):
    cfg = make_config(
        'early_stopping', 20, train_dataloader=dict(dataset=dict(indices=4)),
        val_evaluator=dict(type='ConstantScore', _delete_=True),
    )  # fmt: skip
    cfg.val_evaluator = dict(type='ConstantScore')
    runner = train(cfg)
    assert runner.epoch == 6  # the first validation and five without progress


def test_seeds(make_config):
    try:
        first, second = train(make_config('seeds')), train(make_config('seeds'))
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    assert losses(first) == losses(second)
    assert losses(first) != losses(train(make_config(None)))
