# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CRIS's head; its numbers are compared in tests/test_released/test_parity.py."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from magnet_mm.models.decode_heads import CRISHead
from magnet_mm.models.decode_heads.cris_head import SentenceKernel
from magnet_mm.structures import CrossModalFeatures, TextFeatures

CHANNELS = (8, 16, 24, 10)


@pytest.fixture
def head() -> CRISHead:
    torch.manual_seed(0)
    return CRISHead(
        CHANNELS, text_channels=16, sentence_channels=10, num_layers=2, num_heads=2,
        ffn_channels=32, dropout=0.0, norm_cfg=dict(type='BN'),
    )  # fmt: skip


def features(batch: int = 2) -> CrossModalFeatures:
    torch.manual_seed(1)
    sizes = ((32, 24), (16, 12), (8, 6), (4, 3))
    visual = tuple(torch.randn(batch, c, *s) for c, s in zip(CHANNELS, sizes, strict=True))
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])[:batch]
    words = torch.randn(batch, 4, 16)
    return CrossModalFeatures(visual, TextFeatures(words, mask, sentence=torch.randn(batch, 10)))


def test_logits_at_stride_4_and_its_rule(head):
    prediction = head.eval()(features())
    assert prediction.masks.shape == (2, 1, 32, 24) and prediction.no_target is None
    assert head.foreground.threshold == 0.35


def test_the_sentence_is_the_kernel():
    """Correlation per sample with its own 3x3 kernel and bias."""
    projector = SentenceKernel(8, 6, dict(type='BN')).eval()
    feature, sentence = torch.randn(2, 8, 3, 4), torch.randn(2, 6)
    logits, pixels = projector(feature, sentence)
    numbers = projector.kernel(sentence)
    for index in range(2):
        kernel = numbers[index, :-1].view(1, 4, 3, 3)
        expected = F.conv2d(pixels[index : index + 1], kernel, numbers[index, -1:], padding=1)
        torch.testing.assert_close(logits[index : index + 1], expected)


def test_padding_does_not_matter_and_no_word_is_no_nan(head):
    head.eval()
    before = features()
    after = features()
    after.text.words[0, 3] += 5.0
    torch.testing.assert_close(head(after).masks, head(before).masks)
    after.text.mask[0] = 0
    assert torch.isfinite(head(after).masks).all()


def test_loss_is_taken_at_every_fourth_pixel(head):
    inputs = features()
    samples = []
    for _ in range(2):
        mask = (torch.rand(1, 128, 96) > 0.5).to(torch.uint8)
        samples.append(SegDataSample(gt_sem_seg=PixelData(data=mask)))
    head.eval()
    logits = head(inputs).masks
    target = torch.stack([sample.gt_sem_seg.data for sample in samples])[:, :, ::4, ::4].float()
    loss = head.loss(inputs, samples)['loss_mask']
    torch.testing.assert_close(loss, F.binary_cross_entropy_with_logits(logits, target))


def test_every_parameter_learns(head):
    head(features()).masks.square().mean().backward()
    silent = {n for n, p in head.named_parameters() if p.grad is None or not p.grad.any()}
    assert not silent
