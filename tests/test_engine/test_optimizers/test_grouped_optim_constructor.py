# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Parameters in few groups have the options that mmengine gives them one by one."""

import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from torch import nn

from magnet_mm.engine.optimizers.grouped_optim_constructor import merge_groups

PARAMWISE = dict(
    norm_decay_mult=0.0,
    custom_keys={'1': dict(lr_mult=0.1), 'absent': dict(decay_mult=0.5)},
)


def build(constructor: str):
    init_default_scope('mmseg')
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(3, 4), nn.Linear(4, 4), nn.LayerNorm(4), nn.BatchNorm1d(4), nn.Linear(4, 2)
    )
    model[4].bias.requires_grad_(False)
    wrapper = build_optim_wrapper(
        model,
        dict(
            constructor=constructor,
            optimizer=dict(type='AdamW', lr=0.01, weight_decay=0.1),
            paramwise_cfg=PARAMWISE,
        ),
    )
    return model, wrapper


def test_options_and_steps_stay():
    plain, plain_wrapper = build('DefaultOptimWrapperConstructor')
    grouped, wrapper = build('GroupedOptimWrapperConstructor')
    assert len(plain_wrapper.optimizer.param_groups) == 9
    groups = wrapper.optimizer.param_groups
    assert sorted((g['lr'], g['weight_decay'], len(g['params'])) for g in groups) == [
        (0.001, 0.1, 2),
        (0.01, 0.0, 4),
        (0.01, 0.1, 3),
    ]
    for model, optimizer in ((plain, plain_wrapper), (grouped, wrapper)):
        for step in range(3):
            generator = torch.Generator().manual_seed(step)
            optimizer.update_params(model(torch.randn(5, 3, generator=generator)).square().mean())
    for ours, theirs in zip(grouped.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_missing_option_is_the_default():
    a, b, c = (nn.Parameter(torch.zeros(1)) for _ in range(3))
    groups = [dict(params=[a]), dict(params=[b], lr=0.1), dict(params=[c], lr=0.2)]
    merged = merge_groups(groups, lr=0.1, weight_decay=None)
    assert [(group['lr'], len(group['params'])) for group in merged] == [(0.1, 2), (0.2, 1)]
    assert merged[0]['params'][1] is b
