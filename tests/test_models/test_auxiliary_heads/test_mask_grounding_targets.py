# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Which words Mask Grounding masks and replaces (docs/methods/magnet.md), by hand."""

import pytest
import torch

from magnet_mm.errors import ConfigError
from magnet_mm.models.auxiliary_heads import MaskGroundingHead

CLS, SEP, PAD, MASK = 101, 102, 0, 103
# "the left brown dog", "dog", and an empty sentence; ids as in bert-base-uncased
SENTENCES = torch.tensor(
    [
        [CLS, 1996, 2187, 2829, 3899, SEP, PAD, PAD],
        [CLS, 3899, SEP, PAD, PAD, PAD, PAD, PAD],
        [CLS, SEP, PAD, PAD, PAD, PAD, PAD, PAD],
    ]
)
WORDS = torch.zeros(3, 8, dtype=torch.bool)
WORDS[0, 1:5] = True
WORDS[1, 1] = True
SPECIAL = (~WORDS).long()


def build(**kwargs):
    return MaskGroundingHead(
        visual_channels=[4, 8],
        text_channels=16,
        vocabulary_size=4000,
        num_layers=1,
        num_heads=2,
        ffn_channels=16,
        **kwargs,
    )


def fix_chance(monkeypatch, masked, replaced):
    """Let the random numbers be 0 where a word should be masked (replaced), 0.99 elsewhere."""
    chance = torch.where(torch.stack([masked, replaced]), 0.0, 0.99)
    monkeypatch.setattr(torch, 'rand', lambda *shape, **_: chance.view(shape))


def test_hand_made_sentence(monkeypatch):
    """Mask "left" and "dog"; replace "left", leave "dog" as it is."""
    masked = torch.zeros(3, 8, dtype=torch.bool)
    replaced = torch.zeros(3, 8, dtype=torch.bool)
    masked[0, 2] = masked[0, 4] = True
    replaced[0, 2] = replaced[0, 3] = True  # 3 ("brown") is not masked, so it stays
    fix_chance(monkeypatch, masked, replaced)
    ids, targets = build().corrupt_text(SENTENCES, SPECIAL)
    assert ids[0].tolist() == [CLS, 1996, MASK, 2829, 3899, SEP, PAD, PAD]
    assert targets[0].tolist() == [-1, -1, 2187, -1, 3899, -1, -1, -1]
    assert torch.equal(ids[1:], SENTENCES[1:])
    assert (targets[1:] == -1).all()


def test_every_word_but_no_special_token():
    ids, targets = build(corruption=1.0, masked_share=1.0).corrupt_text(SENTENCES, SPECIAL)
    assert torch.equal(targets, torch.where(WORDS, SENTENCES, -1))
    assert torch.equal(ids, torch.where(WORDS, MASK, SENTENCES))


def test_the_input_is_left_alone():
    before = SENTENCES.clone()
    build(corruption=1.0).corrupt_text(SENTENCES, SPECIAL)
    assert torch.equal(SENTENCES, before)


@pytest.mark.parametrize('corruption', [0.15, 0.5])
def test_shares(corruption):
    """15 % of the words are masked; of those 90 % become [MASK] and 10 % stay."""
    count = 40_000
    ids = torch.full((count // 8, 10), 5)
    ids[:, 0], ids[:, 9] = CLS, SEP
    special = torch.zeros_like(ids)
    special[:, 0] = special[:, 9] = 1
    head = build(corruption=corruption)
    corrupted, targets = head.corrupt_text(ids, special)
    masked = targets != -1
    assert masked.sum().item() / count == pytest.approx(corruption, abs=0.01)
    assert (corrupted[masked] == MASK).float().mean().item() == pytest.approx(0.9, abs=0.02)
    assert set(corrupted[masked].tolist()) == {MASK, 5}  # no random words [S]
    assert torch.equal(corrupted[~masked], ids[~masked])
    assert (targets[masked] == 5).all()
    per_position = masked[:, 1:9].float().mean(0)
    assert (per_position - corruption).abs().max() < 0.03  # any word, not only nouns


def test_no_forced_minimum():
    """Short sentences often have no word to guess, as in the author's reference [S]."""
    ids = SENTENCES[1:2].repeat(2000, 1)
    _, targets = build().corrupt_text(ids, SPECIAL[1:2].repeat(2000, 1))
    assert (targets != -1).any(1).float().mean().item() == pytest.approx(0.15, abs=0.03)


@pytest.mark.parametrize('token', [4000, -1])
def test_truth_39_a_mask_token_outside_the_vocabulary(token):
    with pytest.raises(ConfigError, match=f'mask_token_id={token}, .* 0 to 3999.*tokenizer'):
        build(mask_token_id=token)
