# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CoupAlign's head: how its parts are put together, what it lends, that it exports."""

import pytest
import torch
import torch.nn.functional as F

from magnet_mm.models import CoupAlignHead
from magnet_mm.structures import CrossModalFeatures, TextFeatures

CHANNELS = (4, 6, 8, 10)
SIZES = ((12, 16), (6, 8), (3, 4), (2, 2))
READINGS = ('SentenceMaskAlignment', 'SentencePixelAggregation')


def build(reading: str = READINGS[0], **kwargs) -> CoupAlignHead:
    head = CoupAlignHead(
        CHANNELS,
        text_channels=12,
        mask_generator=dict(num_queries=4, num_layers=2, num_heads=2, ffn_channels=16),
        alignment=dict(type=reading),
        embed_channels=8,
        norm_cfg=dict(type='BN'),
        **kwargs,
    )
    head.init_weights()
    return head


def features(batch: int = 2) -> CrossModalFeatures:
    visual = tuple(torch.randn(batch, c, *s) for c, s in zip(CHANNELS, SIZES, strict=True))
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])[:batch]
    return CrossModalFeatures(visual, TextFeatures(torch.randn(batch, 5, 12), mask))


@pytest.mark.parametrize('reading', READINGS)
@pytest.mark.parametrize('sentence', ['cls', 'mean'])
def test_composition(reading, sentence):
    head = build(reading, sentence=sentence).eval()
    inputs = features()
    logits = head(inputs).masks
    pixels = head.pixel_project(head.levels(inputs.visual))
    queries = head.mask_generator(inputs.visual[-1])
    words = inputs.words
    pooled = {'cls': words[:, 0], 'mean': torch.stack([words[0].mean(0), words[1, :3].mean(0)])}
    assert logits.shape == (2, 2, 12, 16)
    torch.testing.assert_close(inputs.pixel_embedding, pixels)
    torch.testing.assert_close(logits, head.alignment(queries, pixels, pooled[sentence]))
    assert inputs.pixel_embedding.shape[1] == head.pixel_channels == 8


@pytest.mark.parametrize('reading', READINGS)
def test_loss_and_gradients(reading, make_samples):
    head = build(reading, loss_decode=[
        dict(type='CrossEntropyLoss'), dict(type='MultiClassDiceLoss')])  # fmt: skip
    _, samples = make_samples(batch=2, size=(48, 64))
    inputs = features()
    losses = head.loss(inputs, samples, {})
    assert set(losses) == {'loss_ce', 'loss_dice', 'acc_seg'}
    (losses['loss_ce'] + losses['loss_dice']).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_the_loss_is_taken_at_input_resolution(make_samples):
    head = build().eval()
    _, samples = make_samples(batch=2, size=(48, 64))
    inputs = features()
    logits = F.interpolate(head(inputs).masks, (48, 64), mode='bilinear', align_corners=True)[:, 1]
    target = torch.cat([sample.gt_sem_seg.data for sample in samples]).float()
    expected = F.binary_cross_entropy_with_logits(logits, target)
    torch.testing.assert_close(head.loss(inputs, samples, {})['loss_ce'], expected)


def test_exports():
    head = build().eval()

    class Decoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.head = head

        def forward(self, words, *visual):
            return self.head(
                CrossModalFeatures(visual, TextFeatures(words, torch.ones(2, 5)))
            ).masks

    inputs = features()
    arguments = (inputs.words, *inputs.visual)
    program = torch.export.export(Decoder(), arguments)
    torch.testing.assert_close(program.module()(*arguments), Decoder()(*arguments))
