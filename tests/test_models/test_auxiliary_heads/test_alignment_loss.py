# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""AlignmentLoss: which features, masks and temperatures reach the two losses."""

import pytest
import torch
import torch.nn.functional as F

from magnet_mm.models import AlignmentLoss
from magnet_mm.models.targets import nearest_masks
from magnet_mm.structures import CrossModalFeatures, TextFeatures


@pytest.fixture
def case(make_samples):
    """Head, features and samples of two 32x32 images (8x8 cells, so nothing is subsampled)."""
    head = AlignmentLoss(text_channels=6, pixel_channels=4)
    _, samples = make_samples(batch=2, size=32)
    features = CrossModalFeatures(
        visual=(),
        text=TextFeatures(torch.randn(2, 5, 6), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])),
        pixel_embedding=torch.randn(2, 4, 8, 8),
    )
    return head, features, samples


def losses_by_hand(head, features, samples, tau_1: float = 0.1, tau_2: float = 0.3):
    """P2P and P2T, pixel by pixel."""
    masks = nearest_masks(samples, (8, 8))
    p2p, p2t = [], []
    for image in range(2):
        unit = F.normalize(features.pixel_embedding[image].flatten(1).T, dim=-1)
        inside = masks[image].flatten()
        foreground, background = unit[inside], unit[~inside]
        count = int(features.word_mask[image].sum())
        sentence = features.words[image, :count].mean(0)
        text = F.normalize(head.lang_proj.weight @ sentence + head.lang_proj.bias, dim=0)
        prototype = F.normalize(foreground.mean(0), dim=0)
        pixel_terms, text_terms = [], []
        for pixel in foreground:
            positive = torch.exp(pixel @ prototype / tau_1)
            negative = sum(torch.exp(pixel @ other / tau_1) for other in background)
            pixel_terms.append(-torch.log(positive / (positive + negative)))
            positive = torch.exp(pixel @ text / tau_2)
            negative = sum(torch.exp(other @ text / tau_2) for other in background)
            text_terms.append(-torch.log(positive / (positive + negative)))
        p2p.append(sum(pixel_terms) / len(pixel_terms))
        p2t.append(sum(text_terms) / len(text_terms))
    return sum(p2p) / 2, sum(p2t) / 2


def test_losses_by_hand(case):
    head, features, samples = case
    losses = head.loss(features, samples)
    p2p, p2t = losses_by_hand(*case)
    assert set(losses) == {'loss_p2p', 'loss_p2t'}
    torch.testing.assert_close(losses['loss_p2p'], p2p, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(losses['loss_p2t'], p2t, rtol=1e-4, atol=1e-5)


def test_temperatures_and_weight(case):
    _, features, samples = case
    head = AlignmentLoss(6, 4, pixel_temperature=0.5, text_temperature=0.7, loss_weight=0.2)
    losses = head.loss(features, samples)
    p2p, p2t = losses_by_hand(head, features, samples, 0.5, 0.7)
    torch.testing.assert_close(losses['loss_p2p'], 0.2 * p2p, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(losses['loss_p2t'], 0.2 * p2t, rtol=1e-4, atol=1e-5)


def test_subsampling_limits_are_passed_on(case):
    _, features, samples = case
    exact = AlignmentLoss(6, 4).loss(features, samples)['loss_p2p']
    few = AlignmentLoss(6, 4, max_background=1).loss(features, samples)['loss_p2p']
    assert few < exact  # a sum over fewer negatives
    torch.manual_seed(0)
    one = AlignmentLoss(6, 4, max_foreground=1).loss(features, samples)['loss_p2p']
    assert one != exact


def test_gradients_reach_pixels_words_and_projection(case):
    head, features, samples = case
    features.pixel_embedding.requires_grad_()
    features.words.requires_grad_()
    sum(head.loss(features, samples).values()).backward()
    assert features.pixel_embedding.grad.abs().amax(1).min() > 0  # every pixel
    assert features.words.grad[1, :3].abs().min() > 0
    assert features.words.grad[1, 3:].abs().max() == 0  # padding
    assert head.lang_proj.weight.grad.abs().max() > 0


def test_released_projection_size():
    assert AlignmentLoss(768, 256).lang_proj.weight.shape == (256, 768)
