# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Files in the published layouts, made from the key lists, and the models that take them."""

import argparse
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from parity.golden import read_keys
from parity.weights import released_state_dict

from magnet_mm.released import LAVT, MAGNET, build_model

REPOSITORY = Path(__file__).resolve().parents[2]
REFERENCE = REPOSITORY / 'tests' / 'data' / 'reference'
CONFIGS = {
    'magnet': REPOSITORY / 'configs' / 'magnet_swinb_refcoco_released.py',
    'lavt_one': REPOSITORY / 'configs' / 'lavt_swinb_refcoco.py',
}
KEY_MAPS = {'magnet': MAGNET, 'lavt_one': LAVT}


def key_list(variant):
    """``key -> [dtype, shape]`` of one released network."""
    return read_keys(REFERENCE / f'{variant}_keys.json.gz')


def published_state_dict(variant, value):
    """A state dict in a published layout; ``value(key, shape)`` makes the float entries."""
    return released_state_dict(key_list(variant), value)


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
