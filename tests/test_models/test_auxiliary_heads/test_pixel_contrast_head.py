# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""PixelContrastHead: the contrast by hand, limits, gradients."""

import pytest
import torch
import torch.nn.functional as F

from magnet_mm.models import PixelContrastHead
from magnet_mm.models.targets import nearest_masks
from magnet_mm.structures import CrossModalFeatures


@pytest.fixture
def case(make_samples):
    """Features and samples of two 32x32 images (8x8 cells, so nothing is subsampled)."""
    _, samples = make_samples(batch=2, size=32)
    embedding = torch.randn(2, 6, 8, 8)
    return CrossModalFeatures((), None, pixel_embedding=embedding), samples


def contrast_by_hand(head, features, samples, temperature):
    """Methods 2.5, pixel by pixel."""
    masks = nearest_masks(samples, (8, 8))
    images = []
    for embedding, mask in zip(features.pixel_embedding, masks, strict=True):
        first, _, second = head.project
        unit = F.normalize(second(F.relu(first(embedding.flatten(1).T))), dim=-1)
        inside, outside = unit[mask.flatten()], unit[~mask.flatten()]
        prototype = F.normalize(inside.mean(0), dim=0)
        terms = []
        for pixel in inside:
            positive = torch.exp(pixel @ prototype / temperature)
            negative = sum(torch.exp(pixel @ other / temperature) for other in outside)
            terms.append(-torch.log(positive / (positive + negative)))
        images.append(sum(terms) / len(terms))
    return sum(images) / len(images)


@pytest.mark.parametrize(('temperature', 'weight'), [(0.1, 0.1), (0.5, 2.0)])
def test_loss_by_hand(case, temperature, weight):
    head = PixelContrastHead(6, channels=5, temperature=temperature, loss_weight=weight)
    losses = head.loss(*case)
    assert set(losses) == {'loss_contrast'}
    expected = weight * contrast_by_hand(head, *case, temperature)
    torch.testing.assert_close(losses['loss_contrast'], expected, rtol=1e-4, atol=1e-5)


def test_limits_are_passed_on(case):
    head = PixelContrastHead(6)
    exact = head.loss(*case)['loss_contrast']
    head.max_background = 1
    assert head.loss(*case)['loss_contrast'] < exact  # a sum over fewer negatives
    head.max_background, head.max_foreground = 1024, 1
    assert head.loss(*case)['loss_contrast'] != exact


def test_gradients_reach_every_pixel_and_parameter(case):
    head = PixelContrastHead(6)
    features, samples = case
    features.pixel_embedding.requires_grad_()
    head.loss(features, samples)['loss_contrast'].backward()
    assert features.pixel_embedding.grad.abs().amax(1).min() > 0
    for name, parameter in head.named_parameters():
        assert parameter.grad.abs().max() > 0, name


def test_an_image_without_foreground_adds_nothing(case):
    features, samples = case
    head = PixelContrastHead(6)
    one = contrast_by_hand(head, CrossModalFeatures(
        (), None, pixel_embedding=features.pixel_embedding[:1]), samples[:1], 0.1,
    )  # fmt: skip
    samples[1].gt_sem_seg.data.zero_()
    loss = head.loss(features, samples)['loss_contrast']
    torch.testing.assert_close(loss, 0.1 * one / 2, rtol=1e-4, atol=1e-5)
