# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""EFN's decoder: sizes, its twelve losses, gradients."""

import torch
import torch.nn.functional as F

from magnet_mm.models import EFNHead
from magnet_mm.models.layers.body_edge import edge_band
from magnet_mm.models.targets import stack_masks
from magnet_mm.structures import CrossModalFeatures, TextFeatures

CHANNELS = (4, 6, 8, 8, 8)


def features(size=(64, 48)) -> CrossModalFeatures:
    maps = tuple(
        torch.randn(2, channels, size[0] // stride, size[1] // stride)
        for channels, stride in zip(CHANNELS, (2, 4, 8, 16, 16), strict=True)
    )
    return CrossModalFeatures(maps, TextFeatures(torch.zeros(2, 3, 4), torch.ones(2, 3).long()))


def test_logits_have_stride_two():
    head = EFNHead(CHANNELS, channels=4)
    assert head(features()).masks.shape == (2, 1, 32, 24)
    widths = [step.split.flow.out_channels for step in head.steps]
    assert widths == [32, 16, 8, 4]


def test_losses(make_samples):
    _, samples = make_samples(batch=2, size=(64, 48))
    head = EFNHead(CHANNELS, channels=4).eval()
    seen = features()
    losses = head.loss(seen, samples)
    kinds = ('mask', 'body', 'edge')
    assert set(losses) == {f'loss_{kind}{k}' for kind in kinds for k in range(1, 5)}
    masks = stack_masks(samples)
    logits = F.interpolate(head(seen).masks, (64, 48), mode='bilinear', align_corners=False)
    expected = F.binary_cross_entropy_with_logits(logits, masks)
    torch.testing.assert_close(losses['loss_mask1'], expected)
    edge = head.sides[3](head.decode(seen)[3], (64, 48))[2].sigmoid()
    band = edge_band(masks)
    expected = -(band * edge.log() + (1 - band) * (1 - edge).log()).mean()
    torch.testing.assert_close(losses['loss_edge1'], expected)


def test_every_parameter_gets_a_gradient(make_samples):
    _, samples = make_samples(batch=2, size=(64, 48))
    head = EFNHead(CHANNELS, channels=4).eval()
    for split in head.modules():
        if hasattr(split, 'locate'):
            torch.nn.init.normal_(split.locate[-1].weight, std=0.1)
            torch.nn.init.ones_(split.down[4].bias)  # no channel is dead at its ReLU
    sum(head.loss(features(), samples).values()).backward()
    missing = [name for name, p in head.named_parameters() if p.grad is None or not p.grad.any()]
    assert missing == []
