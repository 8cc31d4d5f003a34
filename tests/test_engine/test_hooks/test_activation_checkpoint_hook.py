# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Activation checkpointing: the same losses, gradients and statistics, less memory."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from torch import nn

from magnet_mm.engine import ActivationCheckpointHook
from magnet_mm.engine.hooks.activation_checkpoint_hook import checkpoint_activations
from magnet_mm.errors import ConfigError

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'


def shipped_config(name):
    """A shipped tiny model (ResNet with batch norm) with dropout in its text encoder."""
    model = Config.fromfile(CONFIGS / f'{name}.py').model
    model.backbone.text.config.update(
        vocab_size=200, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1
    )
    return model


def train_step(model, images, samples):
    """Loss after forward and backward, and the megabytes kept between them."""
    torch.manual_seed(3)
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss, _ = model.parse_losses(model.loss(images, copy.deepcopy(samples)))
    loss.backward()
    return loss.item(), sum(kept.values()) / 2**20


@pytest.mark.parametrize('name', ['swin', 'magnet_tiny_refshapes', 'lavt_tiny_refshapes'])
def test_gradients_are_equal(name, build_model, tiny_magnet_config, make_samples):
    if name == 'swin':
        config = tiny_magnet_config()
        config.backbone.visual.drop_path_rate = 0.2
    else:
        config = shipped_config(name)
    plain = build_model(config).train()
    saving = copy.deepcopy(plain)
    names = list(saving.state_dict())
    hook = ActivationCheckpointHook()
    hook.before_train(SimpleNamespace(model=saving))
    batch = make_samples(batch=2)
    expected, before = train_step(plain, *batch)
    loss, after = train_step(saving, *batch)
    assert loss == expected
    for (key, parameter), other in zip(plain.named_parameters(), saving.parameters(), strict=True):
        if parameter.grad is None:
            assert other.grad is None, key
        else:
            assert torch.equal(parameter.grad, other.grad), key
    # running statistics of batch norm are counted once
    for (key, buffer), other in zip(plain.named_buffers(), saving.buffers(), strict=True):
        assert torch.equal(buffer, other), key
    assert after < before / 4
    assert list(saving.state_dict()) == names


def test_chosen_parts(build_model, tiny_magnet_config):
    model = build_model(tiny_magnet_config())
    assert checkpoint_activations(model, ['backbone.visual.stages.2.blocks.*']) == [
        'backbone.visual.stages.2.blocks.0',
        'backbone.visual.stages.2.blocks.1',
    ]
    chosen = checkpoint_activations(build_model(tiny_magnet_config()))
    prefixes = {name.rsplit('.', 1)[0] for name in chosen}
    assert {'backbone.text.encoder.layer', 'backbone.fusion'} <= prefixes
    assert 'decode_head.pixel_decoder.encoder.layers' in prefixes
    assert 'decode_head.transformer_decoder.layers' in prefixes
    assert not any(a != b and b.startswith(f'{a}.') for a in chosen for b in chosen)


def test_evaluation_computes_once(build_model, tiny_magnet_config, make_samples):
    model = build_model(tiny_magnet_config()).eval()
    images, samples = make_samples()
    ids = torch.stack([s.input_ids for s in samples])
    mask = torch.stack([s.attention_mask for s in samples])
    expected = model.predict_logits(images, ids, mask)
    checkpoint_activations(model)
    assert torch.equal(model.predict_logits(images, ids, mask), expected)


def test_batch_norm_without_momentum_keeps_its_average():
    plain = nn.Sequential(nn.Sequential(nn.BatchNorm1d(3, momentum=None), nn.Tanh()))
    saving = copy.deepcopy(plain)
    checkpoint_activations(saving, ['0'])
    for seed in range(3):
        torch.manual_seed(seed)
        batch = torch.randn(8, 3)
        for model in (plain, saving):
            model(batch).square().sum().backward()
    for first, second in zip(plain.buffers(), saving.buffers(), strict=True):
        assert torch.equal(first, second)
    assert saving[0][0].momentum is None


@pytest.mark.parametrize('modules', [['backbone.*', 'no.such.part'], ['nothing'], None])
def test_names_without_a_module_are_refused(modules):
    model = nn.ModuleDict(dict(backbone=nn.ModuleDict(dict(a=nn.Linear(1, 1)))))
    with pytest.raises(ConfigError, match='no module of the model is named'):
        checkpoint_activations(model, modules)
