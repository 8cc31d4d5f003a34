# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The losses that the shipped configs give the heads, against their definitions.

They come from libraries; what is tested is that their options mean what the configs want.
"""

import math
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

import magnet_mm  # noqa: F401  (registers the components)

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'


def decode_head(name):
    init_default_scope('mmseg')
    return Config.fromfile(CONFIGS / name).model.decode_head


def sigmoid(x):
    return 1 / (1 + torch.exp(-x))


def test_binary_cross_entropy_of_the_one_query_head():
    """5 * mean over all pixels of the batch; targets are shares in 0..1."""
    loss = MODELS.build(decode_head('magnet_swinb_refcoco.py').loss_mask)
    logits = torch.randn(2, 1, 3, 4, dtype=torch.float64, requires_grad=True)
    target = torch.rand(2, 1, 3, 4, dtype=torch.float64)
    ours = loss(logits, target).double()  # the library computes it in float32
    definition = 0
    for z, t in zip(logits.flatten(), target.flatten(), strict=True):
        definition -= t * torch.log(sigmoid(z)) + (1 - t) * torch.log(1 - sigmoid(z))
    definition = 5 * definition / logits.numel()
    torch.testing.assert_close(ours, definition, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        torch.autograd.grad(ours, logits)[0],
        torch.autograd.grad(definition, logits)[0],
        rtol=1e-5,
        atol=1e-6,
    )


def test_dice_of_the_one_query_head():
    """5 * mean over images of 1 - (2 sum p t + 1) / (sum p + sum t + 1)."""
    loss = MODELS.build(decode_head('magnet_swinb_refcoco.py').loss_dice)
    logits = torch.randn(3, 20, dtype=torch.float64, requires_grad=True)
    target = torch.rand(3, 20, dtype=torch.float64)
    target[2] = 0
    ours = loss(logits, target)
    definition = 0
    for row, truth in zip(logits, target, strict=True):
        p = sigmoid(row)
        shared = sum(a * b for a, b in zip(p, truth, strict=True))
        definition = definition + 1 - (2 * shared + 1) / (p.sum() + truth.sum() + 1)
    definition = 5 * definition / 3
    torch.testing.assert_close(ours, definition)
    torch.testing.assert_close(
        torch.autograd.grad(ours, logits)[0], torch.autograd.grad(definition, logits)[0]
    )


def test_weighted_cross_entropy_of_lavt():
    """sum of w[t] * CE over sum of w[t], weights 0.9 and 1.1: torch's weighted mean."""
    loss = MODELS.build(decode_head('lavt_swinb_refcoco.py').loss_decode)
    logits = torch.randn(2, 2, 3, 4, requires_grad=True)
    labels = torch.randint(0, 2, (2, 3, 4))
    ours = loss(logits, labels, ignore_index=255)
    weights = torch.tensor([0.9, 1.1])
    torchs = torch.nn.functional.cross_entropy(logits, labels, weights)
    total = weight_sum = 0.0
    for pixel, label in zip(
        logits.detach().permute(0, 2, 3, 1).reshape(-1, 2), labels.flatten(), strict=True
    ):
        weight = (0.9, 1.1)[label]
        total += weight * -math.log(pixel.exp()[label] / pixel.exp().sum())
        weight_sum += weight
    assert ours.item() == pytest.approx(torchs.item(), rel=1e-6)
    assert ours.item() == pytest.approx(total / weight_sum, rel=1e-5)
    torch.testing.assert_close(
        torch.autograd.grad(ours, logits)[0], torch.autograd.grad(torchs, logits)[0]
    )


def test_the_dice_variant_has_no_cross_entropy():
    loss = decode_head('lavt_swinb-dice_refcoco.py').loss_decode
    assert loss == dict(type='MultiClassDiceLoss', smooth=1.0, loss_weight=1.0)
