# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CrossVLT's alignment losses, by hand."""

import pytest
import torch
import torch.nn.functional as F

from magnet_mm.models import StageAlignmentHead
from magnet_mm.structures import CrossModalFeatures, TextFeatures

WIDTHS = (4, 6)


@pytest.fixture
def features():
    maps = [torch.randn(2, 4, 6, WIDTHS[0]), torch.randn(2, 2, 3, WIDTHS[1])]
    extras = [dict(pixels=pixels, sentence=torch.randn(2, 5)) for pixels in maps]
    text = TextFeatures(torch.randn(2, 3, 5), torch.ones(2, 3).long())
    return CrossModalFeatures((), text, extras=extras)


def test_loss(features, make_samples):
    _, samples = make_samples(batch=2, size=(8, 12))
    head = StageAlignmentHead(WIDTHS, 5, channels=3, temperature=0.5)
    losses = head.loss(features, samples)
    assert set(losses) == {'loss_align1', 'loss_align2'}
    pixels = head.pixel_projects[1](features.extras[1]['pixels'])
    sentence = head.sentence_projects[1](features.extras[1]['sentence'])
    cosine = F.cosine_similarity(pixels, sentence[:, None, None], dim=-1)[:, None] / 0.5
    logits = F.interpolate(cosine, (8, 12), mode='bilinear', align_corners=True)
    masks = torch.stack([sample.gt_sem_seg.data for sample in samples]).float()
    expected = F.binary_cross_entropy_with_logits(logits, masks)
    torch.testing.assert_close(losses['loss_align2'], expected)


def test_the_temperature_stays_as_it_is(features, make_samples):
    _, samples = make_samples(batch=2, size=(8, 12))
    head = StageAlignmentHead(WIDTHS, 5)
    sum(head.loss(features, samples).values()).backward()
    without = {name for name, p in head.named_parameters() if p.grad is None}
    assert without == {'temperature'} and (head.temperature == 1).all()
