# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Training: losses, and a gradient for every parameter."""

from __future__ import annotations

import math
import re

import pytest
import torch
from torch import nn

# Parameters whose gradient is zero by construction; they exist because the released checkpoint
# and BERT have them.
ZERO_GRADIENT = {
    # A key bias adds the same number to all logits of a query, which softmax ignores.
    r'\.attention\.self\.key\.bias$',
    r'\.pwam\.attention\.key\.bias$',
    # Instance norm follows directly and subtracts any bias again.
    r'\.text_pwam\.(key|value|out)\.bias$',
}


def train_loss(model: nn.Module, images: torch.Tensor, samples: list) -> torch.Tensor:
    return model.parse_losses(model.loss(images, samples))[0]


def open_zero_weights(model: nn.Module) -> None:
    """Randomise what starts at zero: text gates, sampling offsets, position biases."""
    for parameter in model.parameters():
        if parameter.abs().max() == 0:
            nn.init.normal_(parameter, std=0.02)


@pytest.fixture
def model(build_model, tiny_magnet_config):
    """Tiny MagNet in training mode."""
    return build_model(tiny_magnet_config()).train()


def test_loss_keys(model, make_samples):
    losses = model.loss(*make_samples(batch=2))
    expected = [f'decode.{k}loss_{n}' for k in ('d0.', 'd1.', 'd2.', '') for n in ('mask', 'dice')]
    expected += ['aux_0.loss_grounding', 'aux_0.acc_words', 'aux_1.loss_p2p', 'aux_1.loss_p2t']
    assert list(losses) == expected
    assert all(loss.ndim == 0 and torch.isfinite(loss) for loss in losses.values())
    total, log = model.parse_losses(losses)
    torch.testing.assert_close(total, sum(v for k, v in losses.items() if 'loss' in k))
    assert set(log) == {*expected, 'loss'}


def test_values_of_an_undecided_model(model, make_samples):
    """All mask logits 0: cross-entropy 5 ln 2 and Dice by hand, whatever the features."""
    last = model.decode_head.mask_embed[-1]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    images, samples = make_samples(batch=1)
    losses = model.loss(images, samples)
    # The mask covers 32 x 16 of 64 x 64 pixels.
    dice = 1 - (2 * 0.5 * 512 + 1) / (0.5 * 4096 + 512 + 1)
    for prefix in ('d0.', 'd1.', 'd2.', ''):
        assert losses[f'decode.{prefix}loss_mask'].item() == pytest.approx(5 * math.log(2))
        assert losses[f'decode.{prefix}loss_dice'].item() == pytest.approx(5 * dice)


def test_every_parameter_has_a_gradient(model, make_samples):
    """With open gates no parameter is idle, save those that cannot matter."""
    open_zero_weights(model)
    model.auxiliary_head[0].corruption = 1.0
    train_loss(model, *make_samples(batch=2)).backward()
    idle = set()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        # Rounding leaves up to 5e-8 where the gradient is zero; the smallest real one is 3e-6.
        if parameter.grad.abs().max() < 4e-7:
            idle.add(name)
    expected = {
        name
        for name, _ in model.named_parameters()
        if any(re.search(pattern, name) for pattern in ZERO_GRADIENT)
    }
    assert idle == expected


def test_only_closed_gates_hold_gradients_back_at_the_start(model, make_samples):
    """Before the first step: the text branches wait for their gates, the offsets for theirs."""
    model.auxiliary_head[0].corruption = 1.0
    train_loss(model, *make_samples(batch=2)).backward()
    zero = {name for name, parameter in model.named_parameters() if parameter.grad.abs().max() == 0}
    waiting = re.compile(
        r'backbone\.fusion\.\d\.(text_pwam\..*|text_gate\.hidden\.weight)'
        r'|decode_head\.pixel_decoder\.level_encoding\.weight'
    )
    assert {name for name in zero if waiting.fullmatch(name)} == zero
    assert 'backbone.fusion.3.text_gate.hidden.weight' in zero
    for index in range(4):
        assert f'backbone.fusion.{index}.text_gate.out.weight' not in zero


def test_no_parameter_is_unused_without_masked_words(model, make_samples):
    """Short sentences often get no masked word; DDP must still find every parameter."""
    model.auxiliary_head[0].corruption = 0.0
    images, samples = make_samples(batch=2)
    losses = model.loss(images, samples)
    assert losses['aux_0.loss_grounding'] == 0
    model.parse_losses(losses)[0].backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    for name, parameter in model.auxiliary_head[0].named_parameters():
        assert parameter.grad.abs().max() == 0, name


@pytest.mark.parametrize('kept', [0, 1], ids=['grounding', 'alignment'])
def test_no_parameter_is_unused_with_one_auxiliary_head(
    build_model, tiny_magnet_config, make_samples, kept
):
    config = tiny_magnet_config()
    config.auxiliary_head = [config.auxiliary_head[kept]]
    model = build_model(config).train()
    train_loss(model, *make_samples(batch=2)).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_without_auxiliary_heads_nothing_reads_the_last_words(
    build_model, tiny_magnet_config, make_samples
):
    config = tiny_magnet_config()
    config.auxiliary_head = None
    model = build_model(config).train()
    train_loss(model, *make_samples(batch=2)).backward()
    unused = {name for name, p in model.named_parameters() if p.requires_grad and p.grad is None}
    assert all(name.startswith('backbone.fusion.3.text_') for name in unused)


@pytest.mark.parametrize('value', [0, 1], ids=['empty', 'full'])
def test_masks_without_a_border(model, make_samples, value):
    """Empty and full masks: finite losses, no contrast; only pixels ground words."""
    images, samples = make_samples(batch=2)
    for sample in samples:
        sample.gt_sem_seg.data.fill_(value)
    model.auxiliary_head[0].corruption = 1.0
    losses = model.loss(images, samples)
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert losses['aux_1.loss_p2p'] == 0
    assert losses['aux_1.loss_p2t'] == 0
    assert (losses['aux_0.loss_grounding'] > 0) == bool(value)
    model.parse_losses(losses)[0].backward()
    for name, parameter in model.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name


def test_bfloat16_autocast(model, make_samples):
    open_zero_weights(model)
    images, samples = make_samples(batch=2)
    with torch.autocast('cpu', torch.bfloat16):
        losses = model.loss(images, samples)
        total = model.parse_losses(losses)[0]
    total.backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    for name, parameter in model.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name


def test_a_few_steps_fit_one_sample(model, make_samples):
    """The whole is trainable: overfitting one image brings the mask losses down by half."""
    model.auxiliary_head[0].corruption = 0.0
    images, samples = make_samples(batch=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    history = []
    for _ in range(12):
        losses = model.loss(images, samples)
        history.append((losses['decode.loss_mask'] + losses['decode.loss_dice']).item())
        optimizer.zero_grad()
        model.parse_losses(losses)[0].backward()
        optimizer.step()
    assert history[-1] < 0.5 * history[0]


def test_a_sentence_that_means_nothing_trains(model, make_samples):
    """gRefCOCO's no-target sentences: an empty mask beside one that is not, then alone."""
    images, samples = make_samples(batch=2)
    for chosen in (samples, samples[:1]):
        samples[0].gt_sem_seg.data.zero_()
        model.zero_grad()
        loss = train_loss(model, images[: len(chosen)], chosen)
        loss.backward()
        assert torch.isfinite(loss)
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        assert all(torch.isfinite(gradient).all() for gradient in gradients)
        assert sum(gradient.abs().sum() for gradient in gradients) > 0
