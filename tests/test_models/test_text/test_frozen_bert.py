# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""LAVT's parameter groups (docs/methods/lavt.md): what is optimised, with which decay."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope

from magnet_mm.errors import ConfigError
from magnet_mm.models import StagewiseBert
from magnet_mm.released import build_model

CONFIG = Path(__file__).resolve().parents[3] / 'configs' / 'lavt_swinb_refcoco.py'


def test_unknown_submodule():
    sizes = dict(num_hidden_layers=2, hidden_size=8, num_attention_heads=2, intermediate_size=8)
    with pytest.raises(ConfigError, match="cannot freeze 'encoder.layer.7'"):
        StagewiseBert((2, 0), config=sizes, frozen=['encoder.layer.7'])


@pytest.fixture(scope='module')
def lavt(tmp_path_factory):
    """LAVT with its own config's training settings, at toy widths but all 12 BERT layers."""
    path = tmp_path_factory.mktemp('config') / 'lavt_narrow.py'
    path.write_text(f"""
_base_ = {str(CONFIG)!r}
model = dict(
    backbone=dict(
        visual=dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], window_size=4,
                    init_cfg=None),
        text=dict(pretrained=None, config=dict(
            vocab_size=30, hidden_size=8, num_attention_heads=2, intermediate_size=8))),
    decode_head=dict(norm_cfg=dict(type='BN')))
""")
    return build_model(path), Config.fromfile(path)


def test_frozen_parts(lavt):
    model, _ = lavt
    frozen = {
        '.'.join(name.split('.')[2:5]) if '.layer.' in name else name.split('.')[2]
        for name, parameter in model.named_parameters()
        if not parameter.requires_grad
    }
    assert frozen == {'embeddings', 'encoder.layer.10', 'encoder.layer.11'}


def test_groups(lavt):
    model, config = lavt
    init_default_scope('mmseg')
    optimizer = build_optim_wrapper(model, config.optim_wrapper).optimizer
    assert isinstance(optimizer, torch.optim.AdamW)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    no_decay, rates = set(), set()
    for group in optimizer.param_groups:
        rates.add(group['lr'])
        for parameter in group['params']:
            if parameter.requires_grad and group['weight_decay'] == 0:
                no_decay.add(names[id(parameter)])
            elif parameter.requires_grad:
                assert group['weight_decay'] == 0.01
    assert rates == {5e-5}
    expected = {
        name
        for name in names.values()
        if name.startswith(('backbone.visual', 'backbone.fusion'))
        and ('norm' in name or 'relative_position_bias_table' in name)
    }
    assert no_decay == expected
    assert 'backbone.fusion.3.norm.weight' in no_decay
    assert not any('decode_head' in name or 'backbone.text' in name for name in no_decay)


def test_a_step_leaves_the_frozen_parts(lavt):
    model, config = lavt
    init_default_scope('mmseg')
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    ids = torch.tensor([[2, 5, 6, 3]])
    logits = model.train().predict_logits(
        torch.randn(2, 3, 64, 64), ids.expand(2, -1), torch.ones(2, 4)
    )
    wrapper.update_params(logits.square().mean())
    for name, parameter in model.named_parameters():
        changed = not torch.equal(parameter, before[name])
        if parameter.requires_grad:
            assert parameter.grad is None  # update_params clears them
        else:
            assert not changed, name
    assert not torch.equal(
        before['backbone.text.encoder.layer.0.output.dense.weight'],
        model.backbone.text.encoder.layer[0].output.dense.weight,
    )
