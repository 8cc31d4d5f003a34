# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Mask Grounding: centres, the loss on fixed states, what the predictor reads."""

from __future__ import annotations

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from magnet_mm.models import MaskGroundingHead
from magnet_mm.models.auxiliary_heads import mask_grounding_head
from magnet_mm.structures import CrossModalFeatures, TextFeatures

D, VOCABULARY = 8, 6


def build(**kwargs) -> MaskGroundingHead:
    """A small head; it reads a last visual map of 5 channels."""
    return MaskGroundingHead(
        (3, 5),
        D,
        VOCABULARY,
        mask_token_id=4,
        num_layers=2,
        num_heads=2,
        ffn_channels=16,
        **kwargs,
    ).eval()


def features_of(targets: list[list[int]], word_mask: list[list[int]] | None = None):
    batch, tokens = len(targets), len(targets[0])
    mask = torch.ones(batch, tokens, dtype=torch.int64)
    return CrossModalFeatures(
        visual=(torch.randn(batch, 3, 4, 6), torch.randn(batch, 5, 2, 3)),
        text=TextFeatures(
            torch.randn(batch, tokens, D), torch.tensor(word_mask) if word_mask else mask
        ),
        word_embedding=torch.randn(VOCABULARY, D, requires_grad=True),
        word_targets=torch.tensor(targets),
    )


def samples_of(*filled: bool) -> list[SegDataSample]:
    samples = []
    for is_filled in filled:
        sample = SegDataSample()
        mask = torch.zeros(1, 8, 12, dtype=torch.uint8)
        mask[:, 2:5, 3:9] = int(is_filled)
        sample.gt_sem_seg = PixelData(data=mask)
        samples.append(sample)
    return samples


@pytest.fixture
def fixed_head(monkeypatch):
    """A head whose predictor returns known states; returns both."""
    head = build()
    states = torch.randn(2, 4, D)
    torch.nn.init.normal_(head.vocabulary_bias)
    monkeypatch.setattr(head, 'predict_words', lambda features, masks: states)
    head.transform = torch.nn.Identity()
    return head, states


def cross_entropies(head, states, features) -> dict[tuple[int, int], torch.Tensor]:
    """-log p(word) of every masked position, written out."""
    result = {}
    for image, row in enumerate(features.word_targets.tolist()):
        for position, word in enumerate(row):
            if word >= 0:
                scores = [
                    torch.dot(features.word_embedding[k], states[image, position])
                    + head.vocabulary_bias[k]
                    for k in range(VOCABULARY)
                ]
                total = sum(score.exp() for score in scores)
                result[image, position] = -(scores[word].exp() / total).log()
    return result


TARGETS = [[-1, 4, -1, -1], [-1, 2, 5, -1]]


def test_loss_is_the_mean_cross_entropy_over_asked_words(fixed_head):
    head, states = fixed_head
    features = features_of(TARGETS)
    terms = cross_entropies(head, states, features)
    assert set(terms) == {(0, 1), (1, 1), (1, 2)}
    loss = head.loss(features, samples_of(True, True))
    assert list(loss) == ['loss_grounding', 'acc_words']
    torch.testing.assert_close(loss['loss_grounding'], sum(terms.values()) / 3)


def test_share_of_the_words_named_right(fixed_head):
    head, _ = fixed_head
    features = features_of(TARGETS)
    with torch.no_grad():
        head.vocabulary_bias[2] = 1e3  # whatever is asked, the answer is word 2
        losses = head.loss(features, samples_of(True, True))
        nothing = head.loss(features_of([[-1] * 4] * 2), samples_of(True, True))
    torch.testing.assert_close(losses['acc_words'], torch.tensor(100 / 3))
    assert nothing['acc_words'] == 0


def test_loss_weight(fixed_head):
    head, _ = fixed_head
    features = features_of(TARGETS)
    once = head.loss(features, samples_of(True, True))['loss_grounding']
    head.loss_weight = 0.25
    torch.testing.assert_close(
        head.loss(features, samples_of(True, True))['loss_grounding'], 0.25 * once
    )


def test_words_of_an_empty_mask_are_not_asked_for(fixed_head):
    head, states = fixed_head
    features = features_of(TARGETS)
    terms = cross_entropies(head, states, features)
    loss = head.loss(features, samples_of(True, False))['loss_grounding']
    torch.testing.assert_close(loss, terms[0, 1])


def test_no_asked_word_gives_zero_with_gradients():
    head = build()
    features = features_of([[-1] * 4] * 2)
    loss = head.loss(features, samples_of(True, True))['loss_grounding']
    assert loss == 0
    loss.backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() == 0, name
    assert features.word_embedding.grad.abs().max() == 0


def test_output_is_tied_to_the_word_embedding():
    head = build()
    features = features_of(TARGETS)
    head.loss(features, samples_of(True, True))['loss_grounding'].backward()
    assert features.word_embedding.grad.abs().max() > 0
    assert not any(parameter.shape == (VOCABULARY, D) for parameter in head.parameters())


def test_every_rank_divides_by_all_words(fixed_head, monkeypatch):
    """Another rank has 5 masked words: the sum of ranks / 2, as DDP averages, is the mean of 8."""
    head, states = fixed_head
    features = features_of(TARGETS)
    monkeypatch.setattr(mask_grounding_head, 'all_reduce', lambda count: count.add_(5))
    monkeypatch.setattr(mask_grounding_head, 'get_world_size', lambda: 2)
    loss = head.loss(features, samples_of(True, True))['loss_grounding']
    expected = sum(cross_entropies(head, states, features).values()) * 2 / 8
    torch.testing.assert_close(loss, expected)


def test_predictor_reads_words_image_and_mask_but_no_padding():
    head = build()
    features = features_of([[-1] * 4] * 2, word_mask=[[1, 1, 1, 1], [1, 1, 0, 0]])
    masks = torch.zeros(2, 1, 8, 8)
    masks[:, :, 1:4, 2:7] = 1

    def change_of(edit) -> torch.Tensor:
        with torch.no_grad():
            before = head.predict_words(features, masks)
            other = CrossModalFeatures(
                tuple(f.clone() for f in features.visual),
                TextFeatures(features.words.clone(), features.word_mask), features.word_embedding,
            )  # fmt: skip
            other_masks = masks.clone()
            edit(other, other_masks)
            change = (head.predict_words(other, other_masks) - before).abs()
        return change.amax(-1)

    assert change_of(lambda f, m: None).max() == 0
    padding = change_of(lambda f, m: f.words[1, 2:].add_(3 * torch.randn(2, D)))
    assert padding[1, :2].max() == 0
    assert padding[0].max() == 0
    assert padding[1, 2:].min() > 0
    word = change_of(lambda f, m: f.words[1, 1].add_(torch.randn(D)))
    assert word[1, 0] > 1e-6  # the other word attends to it
    assert change_of(lambda f, m: f.visual[1][0, :, 0, 1].add_(1.0))[0].min() > 1e-6
    assert change_of(lambda f, m: f.visual[0].add_(1.0)).max() == 0  # only the last map is read
    mask = change_of(lambda f, m: m[1, :, 6:].fill_(1.0))
    assert mask[1].min() > 1e-7
    assert mask[0].max() == 0


def test_image_tokens_know_their_place():
    """Moving the content of a cell to another cell changes the states."""
    head = build()
    torch.nn.init.normal_(head.location_project.weight)
    features = features_of([[-1] * 4] * 2)
    masks = torch.ones(2, 1, 8, 8)
    before = head.predict_words(features, masks)
    features.visual = (features.visual[0], features.visual[1].flip(3))
    assert (head.predict_words(features, masks) - before).abs().max() > 1e-5


def test_defaults():
    with torch.device('meta'):
        head = MaskGroundingHead((128, 256, 512, 1024), 768, 30522)
    assert (head.mask_token_id, head.corruption, head.masked_share) == (103, 0.15, 0.9)
    assert len(head.predictor.layer) == 8
    layer = head.predictor.layer[0]
    assert layer.attention.self.num_attention_heads == 12
    assert layer.intermediate.dense.weight.shape == (3072, 768)
