# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A weights file that lacks a parameter is an error for every pretrained part."""

import pytest
import torch
from mmdet.models.backbones import Darknet
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from magnet_mm.errors import CheckpointError

SWIN = dict(embed_dims=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2), window_size=4)
PARTS = dict(
    swin=dict(type='StagewiseSwin', **SWIN),
    resnet=dict(type='StagewiseResNet', depth=18, base_channels=8, stem_channels=8),
    darknet=dict(type='StagewiseDarknet'),
    opened=dict(type='mmdet.ResNeXt', depth=50, groups=2, base_width=4, base_channels=8),
    closed=dict(type='SwinTransformer', **SWIN),
)
NARROW = {53: ((1, 1, 2, 1, 1), ((32, 8), (8, 8), (8, 16), (16, 32), (32, 64)))}


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    init_default_scope('mmseg')
    monkeypatch.setattr(Darknet, 'arch_settings', NARROW)


def build(part, init_cfg=None, **options):
    """The part with an ``init_cfg``; a backbone that is not ours behind the adapter."""
    part = dict(part, init_cfg=init_cfg)
    if part['type'].startswith('Stagewise'):
        return MODELS.build(part)
    return MODELS.build(dict(type='StagewiseAdapter', backbone=part, **options))


def inner(model):
    """The backbone that holds the weights of a file."""
    return getattr(model, 'backbone', model)


def pretrained(tmp_path, weights, **options):
    torch.save({'state_dict': weights}, tmp_path / 'weights.pth')
    return dict(type='Pretrained', checkpoint=str(tmp_path / 'weights.pth'), **options)


@pytest.mark.parametrize('part', PARTS.values(), ids=PARTS)
def test_truth_10_weights_of_another_network_are_an_error(part, tmp_path):
    with pytest.raises(CheckpointError, match=r'weights\.pth does not fit this .* lacks') as error:
        build(part, pretrained(tmp_path, {'foo': torch.zeros(3)})).init_weights()
    assert '.weight' in str(error.value)
    with pytest.raises(CheckpointError, match='do(es)? not fit'):
        build(part, pretrained(tmp_path, {})).init_weights()


@pytest.mark.parametrize('part', PARTS.values(), ids=PARTS)
def test_truth_10_one_lacking_tensor_is_named_and_a_whole_file_loads(part, tmp_path):
    source = inner(build(part)).state_dict()
    loaded = build(part, pretrained(tmp_path, source))
    loaded.init_weights()
    for name, value in inner(loaded).state_dict().items():
        assert torch.equal(value, source[name]), name
    for name in (n for n in list(source)[-9:] if source[n].is_floating_point()):
        rest = {key: value for key, value in source.items() if key != name}
        with pytest.raises(CheckpointError, match=f' 1: {name}\\. Name another'):
            build(part, pretrained(tmp_path, rest)).init_weights()


@pytest.mark.parametrize('part', [PARTS['resnet'], PARTS['opened'], PARTS['swin']])
def test_truth_10_another_shape_is_an_error(part, tmp_path):
    source = {key: value[..., None] for key, value in inner(build(part)).state_dict().items()}
    with pytest.raises(CheckpointError, match='do(es)? not fit'):
        build(part, pretrained(tmp_path, source)).init_weights()


def test_truth_10_running_statistics_and_lists_and_prefixes(tmp_path):
    source = build(PARTS['resnet']).state_dict()
    first = dict(type='Kaiming', layer='Conv2d')
    rest = {key: value for key, value in source.items() if 'bn1.running_var' not in key}
    with pytest.raises(CheckpointError, match='running_var'):
        build(PARTS['resnet'], [first, pretrained(tmp_path, rest)]).init_weights()
    with pytest.raises(CheckpointError, match='correct its prefix'):
        build(PARTS['resnet'], pretrained(tmp_path, source, prefix='backbone.')).init_weights()
    named = {f'backbone.{key}': value for key, value in source.items()}
    model = build(PARTS['resnet'], pretrained(tmp_path, named, prefix='backbone.'))
    model.init_weights()
    assert all(torch.equal(value, source[key]) for key, value in model.state_dict().items())


def test_truth_10_parts_that_start_fresh_are_named(tmp_path):
    norms = ('norm0', 'norm1', 'norm2', 'norm3')
    source = inner(build(PARTS['closed'])).state_dict()
    rest = {key: value for key, value in source.items() if not key.startswith(norms)}
    with pytest.raises(CheckpointError, match='norm0.weight, norm0.bias'):
        build(PARTS['closed'], pretrained(tmp_path, rest)).init_weights()
    model = build(PARTS['closed'], pretrained(tmp_path, rest), fresh=norms)
    model.init_weights()
    assert all(torch.equal(value, source[key]) for key, value in inner(model).state_dict().items())


def test_without_a_file_nothing_is_checked_or_changed():
    model = build(PARTS['resnet'])
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.init_weights()
    assert all(value.isfinite().all() for value in model.state_dict().values())
    assert before.keys() == model.state_dict().keys()
