# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The encoder: order of its parts, shapes, what influences what."""

import pytest
import torch
from mmseg.registry import MODELS

from magnet_mm.errors import ConfigError
from magnet_mm.models.targets import stack_text
from magnet_mm.structures import FusionOutput, TextFeatures


@pytest.fixture
def encoder(tiny_magnet_config):
    """Tiny MagNet encoder in eval mode with open text gates."""
    model = MODELS.build(tiny_magnet_config().backbone).eval()
    for fusion in model.fusion:
        torch.nn.init.normal_(fusion.text_gate.out.weight, std=0.2)
    return model


@pytest.fixture
def batch(make_samples):
    """Images ([B, 3, 64, 64]), ids and mask; the second sentence is padded."""
    images, samples = make_samples(batch=2, lengths=(10, 6))
    return images, *stack_text(samples).values()


def test_shapes(encoder, batch):
    features = encoder(*batch)
    assert [tuple(f.shape) for f in features.visual] == [
        (2, 32, 16, 16), (2, 64, 8, 8), (2, 128, 4, 4), (2, 256, 2, 2),
    ]  # fmt: skip
    assert features.words.shape == (2, 10, 64)
    assert torch.equal(features.word_mask, batch[2])
    assert features.word_embedding is encoder.text.embeddings.word_embeddings.weight
    assert features.pixel_embedding is None
    assert features.word_targets is None
    assert encoder.feature_channels == (32, 64, 128, 256)
    assert encoder.text_channels == 64
    assert encoder.vocabulary_size == 200


def test_odd_image_size(encoder, make_samples):
    images, samples = make_samples(batch=1, size=(50, 37))
    shapes = [tuple(f.shape[2:]) for f in encoder(images, **stack_text(samples)).visual]
    assert shapes == [(13, 10), (7, 5), (4, 3), (2, 2)]


def test_order_of_the_stages(encoder, batch):
    """Swin stage i and BERT group i, then fusion i, then patch merging of the fused map."""
    images, input_ids, attention_mask = batch
    visual, words = encoder.visual.embed(images), encoder.text.embed(input_ids)
    additive_mask = encoder.text.additive_mask(attention_mask)
    expected = []
    for index in range(4):
        visual = encoder.visual.stage(index, visual)
        words = encoder.text.stage(index, words, additive_mask)
        visual, words, feature, _ = encoder.fusion[index](
            visual, TextFeatures(words, attention_mask)
        )
        expected.append(feature)
        if index < 3:
            visual = encoder.visual.downsample(index, visual)
    features = encoder(*batch)
    for index in range(4):
        assert torch.equal(features.visual[index], expected[index].permute(0, 3, 1, 2))
    assert torch.equal(features.words, words)


def test_fusion_gets_its_sizes_from_the_encoder(encoder):
    assert [fusion.pwam.project.in_features for fusion in encoder.fusion] == [32, 64, 128, 256]
    assert [fusion.pwam.attention.key.in_features for fusion in encoder.fusion] == [64] * 4
    assert [fusion.gate is None for fusion in encoder.fusion] == [False, False, False, True]


def test_final_words_skips_only_the_last_update(encoder, batch):
    with torch.no_grad():
        full, short = encoder(*batch), encoder(*batch, final_words=False)
    for ours, expected in zip(short.visual, full.visual, strict=True):
        assert torch.equal(ours, expected)
    assert not torch.equal(short.words, full.words)


def test_every_fusion_is_asked_for_words_but_the_last(encoder, batch):
    asked = []
    for fusion in encoder.fusion:

        def spy(visual, text, update_words=True):
            asked.append(update_words)
            return FusionOutput(visual, text.words, visual)

        fusion.forward = spy
    encoder(*batch, final_words=False)
    encoder(*batch)
    assert asked == [True, True, True, False] + [True] * 4


def test_padding_ids_do_not_influence_the_features(encoder, batch):
    images, input_ids, attention_mask = batch
    changed = input_ids.clone()
    changed[1, 6:] = torch.tensor([11, 12, 13, 14])
    with torch.no_grad():
        before = encoder(images, input_ids, attention_mask)
        after = encoder(images, changed, attention_mask)
        for ours, expected in zip(after.visual, before.visual, strict=True):
            torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(after.words[1, :6], before.words[1, :6], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(after.sentence(), before.sentence(), rtol=1e-5, atol=1e-5)
        changed[1, 2] = (changed[1, 2] + 1) % 200  # a real word does
        other = encoder(images, changed, attention_mask)
    assert all(
        (ours[1] - expected[1]).abs().max() > 1e-4
        for ours, expected in zip(other.visual, before.visual, strict=True)
    )


def test_pixels_reach_the_words_and_words_the_pixels(encoder, batch):
    """Early two-way fusion: stage 2's words carry the image into stage 2's features."""
    images, input_ids, attention_mask = batch
    with torch.no_grad():
        before = encoder(images, input_ids, attention_mask)
        after = encoder(images.flip(3), input_ids, attention_mask)
    assert (before.words - after.words).abs().max() > 1e-3
    for fusion in encoder.fusion:
        torch.nn.init.zeros_(fusion.text_gate.out.weight)
    with torch.no_grad():
        before = encoder(images, input_ids, attention_mask)
        after = encoder(images.flip(3), input_ids, attention_mask)
    assert torch.equal(before.words, after.words)  # closed gates: the image stays out


def test_frozen_parts_keep_weights_and_statistics(tiny_magnet_config, batch):
    encoder = MODELS.build(dict(tiny_magnet_config().backbone, frozen=('visual', 'fusion.0')))
    encoder.train()
    assert not encoder.visual.training and not encoder.fusion[0].training
    assert encoder.text.training and encoder.fusion[1].training
    trained = {name for name, one in encoder.named_parameters() if one.requires_grad}
    assert not any(name.startswith(('visual.', 'fusion.0.')) for name in trained)
    assert any(name.startswith('fusion.1.') for name in trained)
    sum(feature.sum() for feature in encoder(*batch).visual).backward()
    assert all(one.grad is None for one in encoder.visual.parameters())
    assert encoder.text.word_embedding.grad.abs().sum() > 0  # through the frozen stages
    with pytest.raises(ConfigError, match="frozen names 'image'"):
        MODELS.build(dict(tiny_magnet_config().backbone, frozen=('image',)))
