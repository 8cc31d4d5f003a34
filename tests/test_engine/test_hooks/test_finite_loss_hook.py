# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A loss that is not finite stops the training; the dump computes it again."""

import importlib.util
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.optim.optimizer import amp_optimizer_wrapper

from magnet_mm.engine import FiniteLossHook
from magnet_mm.engine.diagnostics import loss_dump
from magnet_mm.errors import NonFiniteLossError

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def runner(build_model, tiny_magnet_config, make_samples, tmp_path):
    """What the hook reads of a Runner, with a tiny MagNet; and a batch of it."""
    config = tiny_magnet_config()
    config.data_preprocessor.size = (64, 64)
    config.auxiliary_head[0].corruption = 0.5
    config.backbone.visual.drop_path_rate = 0.3
    model = build_model(config).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    images, samples = make_samples(batch=2)
    samples[1].set_metainfo(dict(expression='red \x1b[31m circle'))
    runner = SimpleNamespace(
        model=model,
        cfg=SimpleNamespace(model=config),
        optim_wrapper=OptimWrapper(optimizer),
        work_dir=str(tmp_path),
        epoch=0,
        iter=6,
        seed=0,
    )
    return runner, dict(inputs=list(images * 50 + 120), data_samples=samples)


def step(runner, batch, hook):
    hook.before_train(runner)
    hook.before_train_iter(runner, 0, batch)
    log_vars = runner.model.train_step(batch, runner.optim_wrapper)
    hook.after_train_iter(runner, 0, batch, log_vars)
    return log_vars


@pytest.mark.parametrize('mixed', [False, True])
def test_weights_are_untouched_and_the_samples_named(runner, monkeypatch, mixed):
    runner, batch = runner
    if mixed:
        monkeypatch.setattr(amp_optimizer_wrapper, 'is_cuda_available', lambda: True)
        optimizer = runner.optim_wrapper.optimizer
        runner.optim_wrapper = AmpOptimWrapper(dtype='bfloat16', optimizer=optimizer)
    before = {name: value.clone() for name, value in runner.model.named_parameters()}
    batch['inputs'][1][0, 5, 5] = math.nan
    with pytest.raises(NonFiniteLossError) as error:
        step(runner, batch, FiniteLossHook())
    for name, value in runner.model.named_parameters():
        assert torch.equal(value, before[name]), name
    message = str(error.value)
    assert 'iteration 7 (epoch 1, rank 0) is nan: decode.d0.loss_mask=nan' in message
    assert "img_path '0.jpg', ref_id 0, sent_id 0, expression 'sentence 0'" in message
    assert r"expression 'red \x1b[31m circle'" in message  # no control characters
    (path,) = Path(runner.work_dir).glob('nonfinite_loss/*')
    assert path.name == 'epoch_1_iter_7_rank_0.pth' and str(path) in message
    dump = torch.load(path, weights_only=True)
    assert dump['autocast'] == ('bfloat16' if mixed else None)
    replayed = loss_dump.replay(str(path))
    assert str(replayed.losses) == str(dump['losses'])  # as text: nan is not equal to nan
    assert replayed.culprit == 'data_preprocessor (SegDataPreProcessor)'  # the image itself


def test_replay_repeats_finite_losses_digit_for_digit(runner, tmp_path):
    """Drop-path, dropout, masked words and drawn pixels included."""
    runner, batch = runner
    torch.rand(3)
    state = loss_dump.random_state()
    data = runner.model.data_preprocessor(batch, True)
    losses = runner.model.parse_losses(runner.model._run_forward(data, mode='loss'))[1]
    values = {name: float(value) for name, value in losses.items()}
    path = str(tmp_path / 'dump.pth')
    loss_dump.save(path, runner, runner.model, batch, state, values)
    replayed = loss_dump.replay(path)
    assert replayed.losses == values
    assert replayed.culprit is None


def test_finite_losses_go_on(runner):
    runner, batch = runner
    hook = FiniteLossHook()
    hook.before_train(runner)  # installed once, however often a training begins
    before = runner.model.decode_head.query_feat.weight.clone()
    assert math.isfinite(step(runner, batch, hook)['loss'])
    assert not torch.equal(runner.model.decode_head.query_feat.weight, before)
    assert hook._batch is None
    assert list(Path(runner.work_dir).iterdir()) == []


def test_earlier_damage_is_told(runner):
    runner, batch = runner
    runner.model.decode_head.query_feat.weight.data.fill_(math.inf)
    with pytest.raises(NonFiniteLossError, match='1 parameters were not finite before, first dec'):
        step(runner, batch, FiniteLossHook())


def test_unwritable_dump_does_not_hide_the_loss(runner, monkeypatch):
    runner, batch = runner
    batch['inputs'][0][:] = math.inf
    monkeypatch.setattr(loss_dump, 'save', lambda *_: 1 / 0)
    with pytest.raises(NonFiniteLossError, match='could not be saved: division by zero'):
        step(runner, batch, FiniteLossHook())


def test_training_stops_through_the_runner(make_runner):
    runner = make_runner('run', **{'train_dataloader.dataset.noise': math.inf})
    with pytest.raises(NonFiniteLossError, match='(?s)iteration 1 .*names no samples'):
        runner.train()
    assert not list(Path(runner.work_dir).glob('*.pth'))


def test_tool(runner, capsys):
    runner, batch = runner
    runner.model.decode_head.mask_embed[2].weight.data.fill_(3e38)  # finite, but not its sums
    with pytest.raises(NonFiniteLossError):
        step(runner, batch, FiniteLossHook())
    (path,) = Path(runner.work_dir).glob('nonfinite_loss/*')
    tool = REPOSITORY / 'tools/analysis_tools/replay_loss.py'
    spec = importlib.util.spec_from_file_location('replay_loss', tool)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main([str(path)])
    printed = capsys.readouterr().out
    assert 'loss                             nan' in printed
    assert 'first output that is not finite: decode_head.mask_embed.2 (Linear)' in printed
    with pytest.raises(SystemExit, match='there is no file'):
        module.main([str(path) + '.gone'])
    torch.save(dict(state_dict={}), path)
    with pytest.raises(SystemExit, match='not a dump of a loss'):
        module.main([str(path)])
