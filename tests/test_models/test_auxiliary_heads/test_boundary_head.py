# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""BoundaryHead: the loss by hand, gradients, heads that have no pixel embedding."""

import math
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from small_models import shrink

from magnet_mm.errors import ConfigError
from magnet_mm.models import BoundaryHead
from magnet_mm.structures import CrossModalFeatures

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'


@pytest.fixture
def case(make_samples):
    """Features of 8x8 and samples of two 32x32 images with a rectangle each."""
    _, samples = make_samples(batch=2, size=32)
    embedding = torch.randn(2, 6, 8, 8, requires_grad=True)
    return CrossModalFeatures((), None, pixel_embedding=embedding), samples


def test_loss_by_hand(case):
    features, samples = case
    for sample in samples:
        sample.gt_sem_seg.data.zero_()
        sample.gt_sem_seg.data[:, 8:24, 8:24] = 1
    # 2 pixels to either side of a square of 16: a ring of 16^2 - 12^2 within; outside 4 strips of
    # 16 x 2 and, at each corner, the one pixel diagonally next to it (the others are further off)
    edge = 16**2 - 12**2 + 4 * 16 * 2 + 4 * 1
    head = BoundaryHead(6, loss_weight=0.5)
    with torch.no_grad():
        head.edge[-1].weight.zero_()
    assert head.loss(features, samples)['loss_edge'].item() == pytest.approx(0.5 * math.log(2))
    head.edge[-1] = torch.nn.Conv2d(32, 1, 1)
    torch.nn.init.zeros_(head.edge[-1].weight)
    torch.nn.init.constant_(head.edge[-1].bias, -math.log(3))  # a probability of 1/4 everywhere
    share = edge / 32**2
    expected = share * math.log(4) + (1 - share) * math.log(4 / 3)
    assert head.loss(features, samples)['loss_edge'].item() == pytest.approx(0.5 * expected)


def test_gradients_reach_every_pixel_and_parameter(case):
    features, samples = case
    head = BoundaryHead(6)
    head.loss(features, samples)['loss_edge'].backward()
    assert features.pixel_embedding.grad.abs().amax(1).min() > 0
    for name, parameter in head.named_parameters():
        assert parameter.grad.abs().max() > 0, name


def test_a_head_without_pixel_embedding_is_an_error(build_model):
    config = shrink(Config.fromfile(CONFIGS / 'efn_tiny_refshapes.py').model)
    config.auxiliary_head = [dict(type='BoundaryHead')]
    with pytest.raises(ConfigError, match='BoundaryHead needs pixel_channels, which EFNHead does'):
        build_model(config)
