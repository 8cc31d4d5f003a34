# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The config after the command line and the machine have had their say."""

import pytest
import torch
from mmengine.config import Config

from magnet_mm.engine.run_setup import runtime
from magnet_mm.errors import CheckpointError, ConfigError


@pytest.fixture
def cpu(monkeypatch):
    monkeypatch.setattr(runtime, 'get_device', lambda: 'cpu')


def config(**changes):
    norm = dict(type='SyncBN', requires_grad=True)
    return Config(
        dict(
            model=dict(type='M', norm_cfg=norm, heads=[dict(norm_cfg=dict(type='MMSyncBN'))]),
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW')),
            **changes,
        )
    )


def test_config_from_the_command_line(tmp_path):
    (tmp_path / 'tiny.py').write_text('a = dict(b=1)\n')
    cfg = runtime.load_config(str(tmp_path / 'tiny.py'), {'a.b': 2})
    assert (cfg.a.b, cfg.work_dir, cfg.launcher) == (2, './work_dirs/tiny', 'none')
    cfg = runtime.load_config(str(tmp_path / 'tiny.py'), work_dir='w', launcher='pytorch')
    assert (cfg.a.b, cfg.work_dir, cfg.launcher) == (1, 'w', 'pytorch')
    with pytest.raises(ConfigError, match='none.py'):
        runtime.load_config(str(tmp_path / 'none.py'))


def test_synchronised_norms_become_plain_on_cpu(cpu):
    cfg = config()
    runtime.fit_to_machine(cfg, training=True)
    assert cfg.model.norm_cfg == dict(type='BN', requires_grad=True)
    assert cfg.model.heads[0].norm_cfg.type == 'BN'
    assert 'model_wrapper_cfg' not in cfg


def test_machine_with_accelerator_changes_nothing(monkeypatch):
    monkeypatch.setattr(runtime, 'get_device', lambda: 'cuda')
    cfg = config(launcher='pytorch')
    runtime.enable_mixed_precision(cfg)
    before = cfg.to_dict()
    runtime.fit_to_machine(cfg, training=True)
    assert cfg.to_dict() == before


def test_mixed_precision_needs_an_accelerator(cpu):
    cfg = config()
    runtime.enable_mixed_precision(cfg)
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'
    with pytest.raises(ConfigError, match='--amp'):
        runtime.fit_to_machine(cfg, training=True)
    runtime.fit_to_machine(cfg, training=False)


@pytest.mark.parametrize(
    ('has_bfloat16', 'expected'),
    [
        (True, dict(dtype='bfloat16')),
        (False, dict(dtype='float16', loss_scale='dynamic')),
    ],
)
def test_mixed_precision_type(monkeypatch, has_bfloat16, expected):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda: has_bfloat16)
    cfg = config()
    runtime.enable_mixed_precision(cfg)
    optimizer = dict(type='AdamW')
    assert cfg.optim_wrapper == dict(type='AmpOptimWrapper', optimizer=optimizer, **expected)
    cfg.optim_wrapper = dict(type='ApexOptimWrapper')
    with pytest.raises(ConfigError, match='ApexOptimWrapper'):
        runtime.enable_mixed_precision(cfg)


def test_distributed_on_cpu(cpu, monkeypatch):
    started = []
    monkeypatch.setattr(runtime.torch_distributed, 'init_process_group', started.append)
    cfg = config(launcher='pytorch', find_unused_parameters=True)
    runtime.fit_to_machine(cfg, training=True)
    assert started == ['gloo']
    assert cfg.model_wrapper_cfg == dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=True,
    )
    with pytest.raises(ConfigError, match='dist_train.sh'):
        runtime.fit_to_machine(config(launcher='slurm'), training=True)


def test_resume(tmp_path):
    checkpoint = tmp_path / 'epoch_1.pth'
    checkpoint.touch()
    cfg = config(work_dir=str(tmp_path), load_from='other.pth', resume=False)
    runtime.resume_from(cfg, None)
    assert (cfg.resume, cfg.load_from) == (False, 'other.pth')
    runtime.resume_from(cfg, str(checkpoint))
    assert (cfg.resume, cfg.load_from) == (True, str(checkpoint))
    runtime.resume_from(cfg, 'auto')
    assert (cfg.resume, cfg.load_from) == (True, None)
    with pytest.raises(CheckpointError, match='epoch_9.pth'):
        runtime.resume_from(cfg, str(tmp_path / 'epoch_9.pth'))


def test_checkpoint_to_test(tmp_path):
    cfg = config()
    with pytest.raises(CheckpointError, match='none.pth'):
        runtime.test_from(cfg, str(tmp_path / 'none.pth'))
    (tmp_path / 'a.pth').touch()
    runtime.test_from(cfg, str(tmp_path / 'a.pth'))
    assert (cfg.load_from, cfg.resume) == (str(tmp_path / 'a.pth'), False)


def test_test_time_augmentation():
    cfg = config(test_dataloader=dict(dataset=dict(pipeline=['plain'])))
    with pytest.raises(ConfigError, match='tta_model and tta_scales'):
        runtime.enable_test_time_augmentation(cfg)
    cfg.tta_model = dict(type='T')
    cfg.tta_pipeline = ['augmented']
    runtime.enable_test_time_augmentation(cfg)
    assert (cfg.model.type, cfg.model.module.type) == ('T', 'M')
    assert cfg.test_dataloader.dataset.pipeline == ['augmented']


def test_drawing():
    cfg = config(visualizer=dict(type='V'), default_hooks=dict(visualization=dict(type='H')))
    runtime.draw_predictions(cfg, show=False, save_dir='out', wait_time=1)
    hook = dict(type='H', draw=True, show=False, wait_time=1)
    assert cfg.default_hooks.visualization == hook
    assert cfg.visualizer.save_dir == 'out'
    with pytest.raises(ConfigError, match='visualization'):
        runtime.draw_predictions(config(), show=True, save_dir=None, wait_time=1)


def test_sentences_are_batched_by_image():
    cfg = Config(dict(test_dataloader=dict(batch_size=1, sampler=dict(type='DefaultSampler'))))
    runtime.batch_sentences(cfg, 8)
    assert cfg.test_dataloader == dict(batch_size=8, sampler=dict(type='ImageSampler'))
    with pytest.raises(ConfigError, match='--batch-size 0'):
        runtime.batch_sentences(cfg, 0)
