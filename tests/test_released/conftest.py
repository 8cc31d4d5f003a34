# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Files in the published layouts, made from the key lists, and the models that take them."""

import argparse
import gzip
import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from magnet_mm.released import LAVT, MAGNET, build_model, convert_checkpoint

REPOSITORY = Path(__file__).resolve().parents[2]
REFERENCE = REPOSITORY / 'tests' / 'data' / 'reference'
CONFIGS = {
    'magnet': REPOSITORY / 'configs' / 'magnet_swinb_refcoco_released.py',
    'lavt_one': REPOSITORY / 'configs' / 'lavt_swinb_refcoco.py',
}
KEY_MAPS = {'magnet': MAGNET, 'lavt_one': LAVT}
SWIN_T = 'embed_dims=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24], window_size=7'


def key_list(variant):
    """``key -> [dtype, shape]`` of one released network."""
    with gzip.open(REFERENCE / f'{variant}_keys.json.gz', 'rt') as file:
        return json.load(file)


def official_relative_position_index(tokens):
    """Swin's buffer: index of the offset between each two tokens of a window (Swin eq. 4)."""
    window = round(tokens**0.5)
    row, column = np.divmod(np.arange(tokens), window)
    rows = row[:, None] - row[None] + window - 1
    columns = column[:, None] - column[None] + window - 1
    return torch.from_numpy(rows * (2 * window - 1) + columns)


def published_state_dict(variant, value):
    """A state dict in a published layout; ``value(key, shape)`` makes the float entries."""
    state_dict = {}
    for key, (dtype, shape) in key_list(variant).items():
        if dtype.startswith('float'):
            state_dict[key] = value(key, shape)
        elif key.endswith('relative_position_index'):
            state_dict[key] = official_relative_position_index(shape[0])
        else:
            state_dict[key] = torch.zeros(shape, dtype=torch.int64)
    return state_dict


def one_element(key, shape):
    """A tensor of any shape that takes four bytes of storage."""
    return torch.full((1,), 0.5).expand(shape) if shape else torch.tensor(0.5)


def save_published(path, state_dict, **extra):
    """Write a file as the authors' training scripts do."""
    args = argparse.Namespace(dataset='refcoco', lr=5e-5, window12=True)
    torch.save(dict(model=state_dict, optimizer={}, epoch=39, args=args, **extra), path)
    return path


@pytest.fixture(scope='session')
def files():
    """The functions above, for test modules (which cannot import a conftest)."""
    return SimpleNamespace(
        key_list=key_list,
        published_state_dict=published_state_dict,
        one_element=one_element,
        save_published=save_published,
        configs=CONFIGS,
        key_maps=KEY_MAPS,
    )


@pytest.fixture(scope='session')
def fill():
    """The module ``fill.py`` of the reference data."""
    spec = importlib.util.spec_from_file_location('reference_fill', REFERENCE / 'fill.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='session')
def swinb_targets():
    """State dicts of both Swin-B models, built from their configs once, without memory."""
    targets = {}
    for name, config in CONFIGS.items():
        state_dict = build_model(config).state_dict()
        targets[name] = {
            key: tensor.to('meta') if tensor.is_floating_point() else tensor
            for key, tensor in state_dict.items()
        }
    return targets


@pytest.fixture(scope='session')
def tiny_models(fill, tmp_path_factory):
    """Swin-T models whose pseudo-random weights went through a published file and a converter."""
    directory = tmp_path_factory.mktemp('tiny')
    models = {}
    for name, config in CONFIGS.items():
        head = "decode_head=dict(norm_cfg=dict(type='BN'))" if name == 'lavt_one' else ''
        tiny_config = directory / f'{name}_tiny.py'
        tiny_config.write_text(
            f'_base_ = {str(config)!r}\n'
            f'model = dict(backbone=dict(visual=dict({SWIN_T}, init_cfg=None)), {head})\n'
        )

        def value(key, shape):
            filled = np.ascontiguousarray(fill.fill_value(key, shape))
            return torch.from_numpy(filled).reshape(shape)

        published = save_published(
            directory / 'published.pth', published_state_dict(f'{name}_tiny', value)
        )
        converted = directory / 'converted.pth'
        convert_checkpoint(published, converted, KEY_MAPS[name], tiny_config)
        model = build_model(tiny_config)
        weights = torch.load(converted, weights_only=True)['state_dict']
        keys = model.load_state_dict(weights, strict=False)
        assert not keys.unexpected_keys
        assert all(key.startswith('auxiliary_head.0.') for key in keys.missing_keys)
        models[name] = model.eval()
        published.unlink()
        converted.unlink()
    return models
