# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CARIS's head; its numbers are compared in tests/test_released/test_parity.py."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from magnet_mm.models.decode_heads import CARISHead
from magnet_mm.models.decode_heads.caris_pixel_decoder import MutualReading
from magnet_mm.structures import CrossModalFeatures, TextFeatures

CHANNELS = (8, 12, 16, 20)


@pytest.fixture
def head() -> CARISHead:
    head = CARISHead(
        CHANNELS, text_channels=10, channels=64, num_layers=2, num_heads=4,
        attention_channels=48, ffn_channels=40, num_prompts=3,
        loss_decode=dict(type='CrossEntropyLoss', class_weight=[0.9, 1.1], avg_non_ignore=True),
    )  # fmt: skip
    head.init_weights()
    with torch.no_grad():  # the published start is too small to see anything
        for parameter in head.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return head


def features(batch: int = 2) -> CrossModalFeatures:
    torch.manual_seed(1)
    sizes = ((24, 16), (12, 8), (6, 4), (3, 2))
    visual = tuple(torch.randn(batch, c, *s) for c, s in zip(CHANNELS, sizes, strict=True))
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])[:batch]
    return CrossModalFeatures(visual, TextFeatures(torch.randn(batch, 4, 10), mask))


def test_mutual_reading_step_by_step():
    """Words first, in three steps; then pixels read what the words have become."""
    reading = MutualReading(8, 12, 2, 16)
    torch.nn.init.normal_(reading.word_gain)
    torch.nn.init.normal_(reading.pixel_gain)
    words, pixels, position = torch.randn(2, 5, 8), torch.randn(2, 9, 8), torch.randn(9, 8)
    mask = torch.tensor([[1, 1, 0, 1, 1], [1, 1, 1, 1, 1]]).bool()
    keys = pixels + position
    new = reading.word_norms[0](
        words + reading.word_gain * reading.words_to_pixels(words, keys, pixels)
    )
    new = reading.word_norms[1](new + reading.words_to_words(new, new, new, mask))
    new = reading.word_norms[2](new + reading.ffn(new))
    seen = reading.pixels_to_words(keys, new, new, mask)
    expected = reading.pixel_norm(pixels + reading.pixel_gain * seen)
    ours = reading(words, pixels, position, mask)
    torch.testing.assert_close(ours[0], new)
    torch.testing.assert_close(ours[1], expected)


def test_two_classes_from_one_mlp(head):
    inputs = features()
    states = []
    head.class_embed.register_forward_hook(lambda _, __, output: states.append(output))
    masks = head(inputs).masks
    assert masks.shape == (2, 2, 24, 16) and inputs.pixel_embedding.shape == (2, 64, 24, 16)
    for label in range(2):
        expected = (states[0][:, label, :, None, None] * inputs.pixel_embedding).sum(1)
        torch.testing.assert_close(masks[:, label], expected)
    assert head.foreground.as_dict()['kind'] == 'argmax'


def test_padding_does_not_matter_and_no_word_is_no_nan(head):
    before, after = features(), features()
    after.text.words[0, 3] += 5.0
    torch.testing.assert_close(head(after).masks, head(before).masks)
    after.text.words[0, 1] += 5.0
    assert (head(after).masks - head(before).masks)[0].abs().max() > 1e-2
    after.text.mask[0] = 0
    assert torch.isfinite(head(after).masks).all()


def test_loss_is_the_weighted_cross_entropy_at_input_size(head):
    inputs = features()
    samples = [
        SegDataSample(gt_sem_seg=PixelData(data=(torch.rand(1, 96, 64) > 0.5).to(torch.uint8)))
        for _ in range(2)
    ]
    target = torch.cat([sample.gt_sem_seg.data for sample in samples]).long()
    logits = F.interpolate(head(inputs).masks, (96, 64), mode='bilinear', align_corners=True)
    expected = F.cross_entropy(logits, target, torch.tensor([0.9, 1.1]))
    losses = head.loss(inputs, samples)
    assert list(losses) == ['loss_ce']
    torch.testing.assert_close(losses['loss_ce'], expected)


def test_every_parameter_learns_but_what_cancels(head):
    head.double()
    inputs = features()
    inputs.visual = tuple(feature.double() for feature in inputs.visual)
    inputs.text.words = inputs.text.words.double()
    masks = head(inputs).masks
    (masks[:, 1] - masks[:, 0]).square().mean().backward()
    largest = max(parameter.grad.abs().max() for parameter in head.parameters())
    silent = {
        name
        for name, parameter in head.named_parameters()
        if parameter.grad.abs().max() < 1e-13 * largest
    }
    reading = 'pixel_decoder.reading'
    assert silent == {
        'class_embed.4.bias',
        *(
            f'{reading}.{layer}.{attention}.key.bias'
            for layer in range(2)
            for attention in ('words_to_pixels', 'words_to_words', 'pixels_to_words')
        ),
    }
