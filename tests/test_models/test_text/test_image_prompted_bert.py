# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CARIS's text encoder; its numbers are compared in tests/test_released/test_parity.py."""

import pytest
import torch
from mmseg.registry import MODELS

from magnet_mm.errors import ConfigError
from magnet_mm.models.text import ImagePromptedBert, StagewiseBert
from magnet_mm.models.text.image_prompted_bert import ImagePrompts

SIZES = dict(
    vocab_size=50,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=12,
)
IDS = torch.tensor([[2, 7, 8, 3, 0], [2, 9, 3, 0, 0]])


@pytest.fixture
def encoder() -> ImagePromptedBert:
    model = ImagePromptedBert((4, 5, 6, 8), config=SIZES).eval()
    for parameter in model.parameters():  # BERT's own start is nearly blind to its neighbours
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def maps(batch: int = 2) -> tuple[torch.Tensor, ...]:
    return tuple(torch.randn(batch, c, s, s) for c, s in ((4, 20), (5, 10), (6, 5), (8, 3)))


def test_prompts_are_the_whole_and_overlapping_quarters():
    prompts = ImagePrompts(8, 16)
    feature = torch.randn(1, 8, 3, 5)
    cells = [feature.mean((2, 3))]
    for rows in (slice(0, 2), slice(1, 3)):
        for columns in (slice(0, 3), slice(2, 5)):
            cells.append(feature[:, :, rows, columns].mean((2, 3)))
    update = [prompts.mlps[0](cells[0]), *(prompts.mlps[1](cell) for cell in cells[1:])]
    expected = prompts.norm(prompts.table.weight + torch.stack(update, 1))
    torch.testing.assert_close(prompts(feature), expected)


def test_words_read_the_image_and_no_padding(encoder):
    mask = (IDS != 0).long()
    visual = maps()
    words = encoder(IDS, mask, visual=visual).words
    assert words.shape == (2, 5, 16)
    other = encoder(IDS, mask, visual=maps()).words
    assert (words - other).abs().amax((1, 2)).min() > 1e-3
    padded = IDS.clone()
    padded[mask == 0] = 11
    again = encoder(padded, mask, visual=visual).words
    torch.testing.assert_close(again[mask.bool()], words[mask.bool()])


def test_equals_bert_where_nothing_looks_at_the_prompts(encoder, monkeypatch):
    mask = (IDS != 0).long()
    plain = StagewiseBert((2,), config=SIZES).eval()
    plain.load_state_dict(encoder.bert.state_dict())
    additive = encoder.bert.additive_mask

    def hide_prompts(attention_mask):
        attention_mask[:, 5:] = 0
        return additive(attention_mask)

    monkeypatch.setattr(encoder.bert, 'additive_mask', hide_prompts)
    ours = encoder(IDS, mask, visual=maps())
    torch.testing.assert_close(ours.words, plain(IDS, mask).words)
    torch.testing.assert_close(ours.embeddings, plain(IDS, mask).embeddings)


def test_a_sentence_without_a_token_gives_no_nan(encoder):
    words = encoder(IDS, torch.zeros_like(IDS), visual=maps()).words
    assert torch.isfinite(words).all()


def test_every_parameter_learns(encoder):
    encoder(IDS, (IDS != 0).long(), visual=maps()).words.square().sum().backward()
    silent = {
        name
        for name, parameter in encoder.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    }
    # What scores gain through a key's bias, the softmax takes away: rounding at most.
    assert all(name.endswith('key.bias') for name in silent)


def test_nothing_can_be_fused_before_it():
    visual = dict(type='StagewiseSwin', embed_dims=8, depths=[1] * 4, num_heads=[1] * 4)
    text = dict(type='ImagePromptedBert', config=SIZES)
    encoder = MODELS.build(dict(type='CrossModalEncoder', visual=visual, text=text))
    assert encoder.text.prompts.mlps[0][0].in_features == 64  # filled in
    with pytest.raises(ConfigError, match='ImagePromptedBert reads the finished maps'):
        MODELS.build(
            dict(type='CrossModalEncoder', visual=visual, text=text, fusion=dict(type='LAVTFusion'))
        )
