# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What people expect of a run works, or an error says what to change."""

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import MMLogger
from mmengine.optim import AmpOptimWrapper, OptimWrapper, build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.apis import MMSegInferencer, inference_model, init_model
from mmseg.registry import DATASETS, METRICS, MODELS, TRANSFORMS

from magnet_mm.apis.inference_pipeline import InferencePipeline
from magnet_mm.config_types import type_name
from magnet_mm.deployment.metadata import ExportMetadata
from magnet_mm.engine.diagnostics.memory_log_processor import MemoryLogProcessor
from magnet_mm.engine.hooks.image_sizes_hook import check_sizes
from magnet_mm.engine.run_setup import runtime
from magnet_mm.engine.run_setup.test_time_augmentation import multi_scale_pipeline
from magnet_mm.errors import ConfigError
from magnet_mm.evaluation.foreground import ForegroundRule
from magnet_mm.mmseg_entries import refuse_sentences
from magnet_mm.models import ReferringSegmentor

ROOT = Path(__file__).resolve().parents[3]
TINY = ROOT / 'configs/magnet_tiny_refshapes.py'


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr('mmengine.runner.runner.collect_env', dict)
    monkeypatch.setattr('mmengine.runner.runner.get_git_hash', str)
    MMLogger._instance_dict.clear()


def log_of(runner):
    return ''.join(path.read_text() for path in Path(runner.log_dir).glob('*.log'))


def test_truth_7_scores_that_are_not_measured_are_not_logged(make_runner):
    make_runner('run', epochs=1).train()
    runner = make_runner('run', epochs=2, resume=True)
    restored = Runner.load_checkpoint

    def with_kinds(self, *args, **kwargs):
        checkpoint = restored(self, *args, **kwargs)
        scalars = checkpoint['message_hub']['log_scalars']
        scalars['val/oIoU/attribute'] = copy.deepcopy(scalars['val/oIoU'])
        scalars['train/old_loss'] = copy.deepcopy(scalars['train/loss'])
        return checkpoint

    runner.load_checkpoint = with_kinds.__get__(runner)
    MMLogger._instance_dict.clear()
    runner.train()
    assert isinstance(runner.log_processor, MemoryLogProcessor)
    hub = runner.message_hub.log_scalars
    assert 'val/oIoU/attribute' in hub  # kept in the record
    tags, line = runner.log_processor.get_log_after_epoch(runner, 3, 'val')
    assert 'attribute' not in line and 'oIoU/attribute' not in tags
    assert tags['oIoU'] == 20.0
    tags, line = runner.log_processor.get_log_after_iter(runner, 0, 'train')
    assert 'old_loss' not in line and 'loss' in tags


@pytest.mark.parametrize('has', [True, False])
def test_truth_13_emulated_bfloat16_does_not_count(monkeypatch, has):
    def supported(including_emulation=True):
        return has or including_emulation

    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', supported)
    cfg = Config(dict(optim_wrapper=dict(type='OptimWrapper')))
    runtime.enable_mixed_precision(cfg)
    assert cfg.optim_wrapper.dtype == ('bfloat16' if has else 'float16')
    assert cfg.optim_wrapper.get('loss_scale') == (None if has else 'dynamic')


def test_truth_18_norms_of_every_backbone_are_free_of_decay():
    init_default_scope('mmseg')
    cfg = Config.fromfile(ROOT / 'configs/lavt_r101_refcoco.py')
    assert not (ROOT / 'configs/magnet_r101_refcoco.py').exists()
    runtime.fit_to_machine(cfg, training=True)
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    free = {id(p) for group in groups if group['weight_decay'] == 0 for p in group['params']}
    norms = {
        f'{name}.{own}'
        for name, module in model.named_modules()
        if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.LayerNorm))
        and name.startswith(('backbone.visual', 'backbone.fusion'))
        for own, p in module.named_parameters()
        if p.requires_grad
    }
    names = {name for name, p in model.named_parameters() if id(p) in free}
    assert names == norms and len(norms) > 2 * 100  # 106 batch norms alone


@pytest.mark.parametrize(
    ('part', 'words'),
    [
        (dict(within='backbone.visal', no_decay='norm'), 'no module backbone.visal'),
        (dict(no_decay='norms'), 'no kind norms; there are norm'),
    ],
)
def test_truth_18_a_rule_that_matches_nothing_is_an_error(make_runner, part, words):
    runner = make_runner('run')
    with pytest.raises(ConfigError, match=words):
        runner.build_optim_wrapper(
            dict(
                optimizer=dict(type='AdamW', lr=0.1, weight_decay=0.1),
                constructor='GroupedOptimWrapperConstructor',
                paramwise_cfg=dict(parts=[part]),
            )
        )


def test_truth_34_runner_type_is_built_or_an_error(monkeypatch):
    built = []

    @runtime.RUNNERS.register_module(force=True)
    class OwnRunner(Runner):
        @classmethod
        def from_cfg(cls, cfg):
            built.append((cls.__name__, cfg.a))

    runtime.build_runner(Config(dict(a=1, runner_type='OwnRunner')))
    runtime.build_runner(Config(dict(a=2, runner_type=OwnRunner)))
    assert built == [('OwnRunner', 1), ('OwnRunner', 2)]
    with pytest.raises(ConfigError, match="runner_type='FlexiRunner': there is no such"):
        runtime.build_runner(Config(dict(runner_type='FlexiRunner')))
    with pytest.raises(ConfigError, match="strategy, which Runner ignores.*'FlexibleRunner'"):
        runtime.build_runner(Config(dict(strategy=dict(type='DDPStrategy'))))
    monkeypatch.setattr(runtime.FlexibleRunner, 'from_cfg', classmethod(lambda cls, cfg: cls))
    flexible = Config(dict(runner_type='FlexibleRunner', strategy=dict(type='FSDPStrategy')))
    with pytest.warns(UserWarning, match='FSDPStrategy.* have not been tested'):
        assert runtime.build_runner(flexible) is runtime.FlexibleRunner


@pytest.mark.parametrize(
    'changes',
    [
        {
            'default_hooks.compile': dict(type='CompileHook'),
            'default_hooks.recompute': dict(type='ActivationCheckpointHook', modules=['linear']),
        },
        {
            'compile': True,
            'default_hooks.recompute': dict(type='ActivationCheckpointHook', modules=['linear']),
        },
        {
            'default_hooks.compile': dict(type='CompileHook'),
            'activation_checkpointing': ['linear'],
        },
    ],
)
def test_truth_35_compiling_and_recomputing(make_runner, changes):
    with pytest.raises(ConfigError, match='do not work together'):
        make_runner('run', epochs=1, **changes).train()


def test_truth_37_class_types_mean_what_their_names_mean(monkeypatch):
    assert type_name(dict(type='mmseg.Resize')) == type_name(dict(type='Resize')) == 'Resize'
    assert type_name(dict(type=OptimWrapper)) == type_name(OptimWrapper) == 'OptimWrapper'
    assert type_name({}, 'OptimWrapper') == 'OptimWrapper'
    cfg = Config(dict(optim_wrapper=dict(type=OptimWrapper)))
    runtime.enable_mixed_precision(cfg)
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'
    monkeypatch.setattr(runtime, 'get_device', lambda: 'cpu')
    norm = dict(type=torch.nn.SyncBatchNorm)
    model = dict(type=ReferringSegmentor, norm_cfg=norm)
    cfg = Config(dict(model=model, optim_wrapper=dict(type=OptimWrapper)))
    runtime.fit_to_machine(cfg, training=True)
    assert cfg.model.norm_cfg.type == 'BN'
    for kind in (AmpOptimWrapper, 'mmengine.AmpOptimWrapper'):
        cfg.optim_wrapper.type = kind
        with pytest.raises(ConfigError, match='needs an accelerator'):
            runtime.fit_to_machine(cfg, training=True)


def with_classes(value):
    """A config whose types are the classes themselves, where the registries have them."""
    if isinstance(value, dict):
        value = {key: with_classes(part) for key, part in value.items()}
        kind = value.get('type')
        for registry in (MODELS, TRANSFORMS, DATASETS, METRICS) if isinstance(kind, str) else ():
            if kind in registry.module_dict:
                value['type'] = registry.module_dict[kind]
        return value
    if isinstance(value, list | tuple):
        return type(value)(map(with_classes, value))
    return value


@pytest.mark.parametrize('name', ['magnet', 'lavt', 'coupalign'])
def test_truth_37_models_and_pipelines_of_classes(name, tmp_path):
    init_default_scope('mmseg')
    cfg = Config.fromfile(ROOT / f'configs/{name}_tiny_refshapes.py')
    plain = MODELS.build(cfg.model).state_dict()
    classes = ConfigDict(with_classes(cfg.to_dict()))
    assert classes.model.type is ReferringSegmentor
    built = MODELS.build(classes.model).state_dict()
    assert {k: v.shape for k, v in built.items()} == {k: v.shape for k, v in plain.items()}
    steps = InferencePipeline(classes)
    assert steps.max_tokens == 20
    rest = ('a.py', 'a.pth', ForegroundRule())
    assert ExportMetadata.from_config(classes, *rest) == ExportMetadata.from_config(cfg, *rest)
    assert multi_scale_pipeline(classes.test_dataloader.dataset.pipeline, (1, 0.8))
    with pytest.raises(ConfigError, match='ReferringSegInferencer'):
        refuse_sentences(classes, 'x')


@pytest.mark.parametrize('value', ["/data/o'brien", '/data/"quoted"/x', '/it\'s/a "b" c'])
def test_truth_38_quotes_in_a_path_work(monkeypatch, value):
    monkeypatch.setenv('REFSHAPES_ROOT', value)
    monkeypatch.setenv('BERT_PATH', value)
    cfg = Config.fromfile(TINY)
    assert cfg.train_dataloader.dataset.data_root == value
    assert f'data_root={value!r}' in cfg.pretty_text.replace(' = ', '=')
    cfg = Config.fromfile(ROOT / 'configs/lavt_swinb_refcoco.py')
    assert cfg.model.backbone.text.pretrained == value


@pytest.mark.parametrize('value', ['/data/end"', '/data/back\\slash'])
def test_truth_38_what_cannot_work_names_the_variable(monkeypatch, value):
    monkeypatch.setenv('REFSHAPES_ROOT', value)
    with pytest.raises(ConfigError, match='REFSHAPES_ROOT='):
        runtime.read_config_file(str(TINY))


def test_truth_38_a_variable_of_the_users_own_config(monkeypatch, tmp_path):
    path = tmp_path / 'own.py'
    path.write_text("root = '{{$MY_ROOT:data}}'\n")
    monkeypatch.setenv('MY_ROOT', "o'brien")
    with pytest.raises(ConfigError, match="MY_ROOT=o'brien"):
        runtime.load_config(str(path))


def test_truth_39_no_workers_alone_works():
    options = dict(persistent_workers=True, prefetch_factor=4)
    loaders = dict(
        train_dataloader=dict(num_workers=0, **options),
        val_dataloader=dict(num_workers=2, **options),
    )
    cfg = Config(dict(model=dict(), **loaders))
    runtime.fit_to_machine(cfg, training=False)
    assert cfg.train_dataloader == dict(num_workers=0, persistent_workers=False)
    assert cfg.val_dataloader == dict(num_workers=2, **options)
    torch.utils.data.DataLoader([1, 2], **cfg.train_dataloader)
    cfg.train_dataloader.timeout = 5
    with pytest.raises(ConfigError, match='num_workers=0 and timeout=5'):
        runtime.fit_to_machine(cfg, training=False)


def test_truth_39_unequal_images_in_a_batch():
    check_sizes(dict(inputs=[torch.zeros(3, 4, 5)] * 2), 'val_dataloader')
    check_sizes(dict(inputs=[torch.zeros(3, 4, 5)]), 'val_dataloader')
    with pytest.raises(ConfigError, match=r'4x5, 6x5.*test_dataloader.batch_size=1.*keep_ratio'):
        check_sizes(dict(inputs=[torch.zeros(3, 4, 5), torch.zeros(3, 6, 5)]), 'test_dataloader')
    hooks = Config.fromfile(ROOT / 'configs/_base_/default_runtime.py').default_hooks
    assert hooks.image_sizes.type == 'ImageSizesHook'


def test_truth_40_mmseg_names_our_inferencer():
    with pytest.raises(ConfigError, match='MMSegInferencer gives.*ReferringSegInferencer'):
        MMSegInferencer(str(TINY), device='cpu')
    model = init_model(str(TINY), device='cpu')
    with pytest.raises(ConfigError, match='inference_model gives.*ReferringSegInferencer'):
        inference_model(model, 'a.jpg')


@pytest.mark.slow
def test_truth_40_a_wheel_has_tools_where_mim_looks(tmp_path):
    subprocess.run(
        [sys.executable, 'setup.py', '-q', 'build', '--build-base', tmp_path, '-b', tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    mim = next(tmp_path.rglob('.mim'))
    for name in ('train.py', 'test.py', 'infer.py', '_importable.py', 'dist_test.sh'):
        assert (mim / 'tools' / name).is_file()
    assert (mim / 'configs/magnet_tiny_refshapes.py').is_file()
    shortest = min(mim.glob('tools/**/test.py'), key=lambda path: len(path.parts))
    assert shortest == mim / 'tools/test.py'  # the one that `mim run magnet_mm test` starts


def test_truth_41_an_iteration_based_run_goes_on_with_the_same_losses(make_runner):
    def losses(runner):
        runner.train()
        return runner.model.losses

    loop = dict(type='IterBasedTrainLoop', val_interval=100)
    options = {
        'default_hooks.checkpoint.by_epoch': False,
        'default_hooks.checkpoint.interval': 4,
        'default_hooks.checkpoint.save_best': None,
        'train_dataloader.dataset.noise': 0.0,
        'train_dataloader.sampler.type': 'InfiniteSampler',
        'param_scheduler': [dict(type='PolyLR', power=0.9, by_epoch=False, end=8)],
    }

    def make(name, iterations, **changes):
        runner = make_runner(name, **options, **changes)
        runner._train_loop = dict(loop, max_iters=iterations)
        return runner

    straight = losses(make('straight', 8))
    assert losses(make('run', 4)) == straight[:4]
    assert losses(make('run', 8, resume=True)) == straight[4:]
