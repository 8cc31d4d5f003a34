# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A key that a component does not know is an error, at every place of the small configs."""

import copy
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    METRICS,
    MODELS,
    TRANSFORMS,
    VISUALIZERS,
)

import magnet_mm  # noqa: F401  registers the components
from magnet_mm.errors import ConfigError
from magnet_mm.visualization import ReferringVisualizer

CONFIGS = sorted((Path(__file__).resolve().parents[1] / 'configs').glob('*_tiny_refshapes.py'))
TYPO = 'unknwon_key'
REFUSED = f'{TYPO}|takes no arguments'


@pytest.fixture(params=CONFIGS, ids=lambda path: path.stem)
def config(request):
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield Config.fromfile(str(request.param))


def dicts_in(value, path=()):
    """Paths of all dicts inside a config that a component reads."""
    if isinstance(value, dict):
        yield path
        for key, part in value.items():
            yield from dicts_in(part, (*path, key))
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from dicts_in(part, (*path, index))


def with_typo(config, path):
    changed = copy.deepcopy(config)
    part = changed
    for key in path:
        part = part[key]
    part[TYPO] = 1
    return changed


def assert_refused(registry, config, path=(), **arguments):
    with pytest.raises((TypeError, ConfigError, AssertionError), match=REFUSED):
        registry.build(dict(with_typo(config, path), **arguments))


def test_there_are_configs():
    assert {'magnet_tiny_refshapes', 'lavt_tiny_refshapes'} <= {path.stem for path in CONFIGS}


def test_model(config):
    MODELS.build(config.model)
    paths = list(dicts_in(config.model))
    assert ('backbone', 'text') in paths and len(paths) > 6
    for path in paths:
        assert_refused(MODELS, config.model, path)
    print(f'{len(paths)} places of the model')


def test_data(config):
    dataset = dict(config.train_dataloader.dataset, lazy_init=True)
    DATASETS.build(dataset)
    assert_refused(DATASETS, dataset)
    excluding = dict(dataset, exclude=[dict(refs_file='refs.p', split=['val'])])
    with pytest.raises(ConfigError, match="'split': "):
        DATASETS.build(excluding)
    for transform in dataset['pipeline']:
        assert_refused(TRANSFORMS, transform)
    assert_refused(DATA_SAMPLERS, config.train_dataloader.sampler, dataset=[1, 2])


def test_metric_and_visualizer(config):
    assert_refused(METRICS, config.val_evaluator)
    assert_refused(VISUALIZERS, config.visualizer)


def test_hooks(config):
    ReferringVisualizer.get_instance('typos')  # the visualization hook wants one
    ours = []
    for hook in config.default_hooks.values():
        if HOOKS.get(hook.type).__module__.startswith('magnet_mm'):
            HOOKS.build(hook)
            assert_refused(HOOKS, hook)
            ours.append(hook.type)
    assert {'DurableCheckpointHook', 'EpochSeedHook', 'SafeCheckpointHook'} <= set(ours)
