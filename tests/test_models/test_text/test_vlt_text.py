# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""VLT's sentence: attention in every channel, padding that counts, vectors from elsewhere."""

import torch

from magnet_mm.models import VLTText

IDS = torch.tensor([[4, 5, 6, 0, 0], [7, 8, 9, 4, 5]])
MASK = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])


def build(**changes):
    settings = dict(vocabulary_size=10, channels=6, word_vectors=dict(channels=4))
    return VLTText(**dict(settings, **changes)).eval()


def test_the_sentence_weighs_every_channel_by_itself():
    text = build()
    features = text(IDS, MASK)
    scores = torch.tanh(features.words @ text.attention.score[0].weight.T)
    weights = scores.exp() / scores.exp().sum(1, keepdim=True)  # over all words, padding too
    torch.testing.assert_close(features.sentence, (weights * features.words).sum(1))
    assert features.words.shape == (2, 5, 6) and text.sentence_channels == text.channels == 6
    assert torch.equal(features.mask, MASK)


def test_padding_has_zeros_for_vectors():
    text = build()
    features = text(IDS, MASK)
    assert not features.embeddings[0, 3:].any()
    other = IDS.masked_fill(MASK == 0, 3)
    assert torch.equal(text(other, MASK).words, features.words)


def test_vectors_of_any_origin():
    text = build()
    features = text.encode(text.word_vectors(IDS), MASK)
    assert torch.equal(features.sentence, text(IDS, MASK).sentence)


def test_every_parameter_gets_a_gradient():
    text = build(dropout=0.1).train()
    features = text(IDS, MASK)
    (features.sentence.square().sum() + features.words.sum()).backward()
    assert all(p.grad is not None and p.grad.any() for p in text.parameters())
