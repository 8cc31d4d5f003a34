# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CLIP's text tower; its numbers are compared in tests/test_released/test_parity.py."""

import pytest
import torch

from magnet_mm.errors import CheckpointError, ConfigError
from magnet_mm.models import ClipTextEncoder

IDS = torch.tensor([[48, 5, 6, 49, 0, 0], [48, 7, 8, 9, 10, 49]])


def small() -> ClipTextEncoder:
    torch.manual_seed(0)
    return ClipTextEncoder(
        channels=16, embed_channels=6, num_layers=2, num_heads=2, vocabulary_size=50, max_tokens=8
    )


def test_words_are_causal_and_the_sentence_is_the_end_token():
    encoder = small().eval()
    with torch.no_grad():
        text = encoder(IDS, (IDS != 0).long())
        changed = IDS.clone()
        changed[0, 4:] = 11  # padding behind the end token
        changed[1, 4] = 12
        other = encoder(changed, (IDS != 0).long())
    assert text.words.shape == (2, 6, 16) and text.sentence.shape == (2, 6)
    torch.testing.assert_close(other.words[0, :4], text.words[0, :4])
    torch.testing.assert_close(other.sentence[0], text.sentence[0])
    torch.testing.assert_close(other.words[1, :4], text.words[1, :4])
    assert (other.sentence[1] - text.sentence[1]).abs().max() > 1e-4
    expected = text.words[torch.arange(2), torch.tensor([3, 5])] @ encoder.text_projection
    torch.testing.assert_close(text.sentence, expected)


def test_every_parameter_learns():
    encoder = small()
    text = encoder(IDS, (IDS != 0).long())
    loss = (text.words * torch.randn_like(text.words)).sum() + text.sentence.pow(2).sum()
    loss.backward()
    assert not [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.any()]


def test_more_tokens_than_positions():
    with pytest.raises(ConfigError, match='9 tokens do not fit the 8 positions'):
        small()(torch.ones(1, 9, dtype=torch.int64), torch.ones(1, 9, dtype=torch.int64))


def test_weights_come_under_openai_names(tmp_path):
    source = small()
    renamed = {}
    for key, value in source.state_dict().items():
        for ours, theirs in (
            ('self_attn', 'attn'), ('linear1', 'mlp.c_fc'), ('linear2', 'mlp.c_proj'),
            ('norm1', 'ln_1'), ('norm2', 'ln_2'), ('layers.', 'transformer.resblocks.'),
        ):  # fmt: skip
            key = key.replace(ours, theirs)
        renamed[key] = value + 1
    torch.save(
        {'state_dict': {**renamed, 'visual.conv1.weight': torch.ones(1)}}, tmp_path / 'c.pth'
    )
    encoder = small()
    encoder.pretrained = str(tmp_path / 'c.pth')
    encoder.init_weights()
    for key, value in source.state_dict().items():
        assert torch.equal(encoder.state_dict()[key], value + 1), key
    del renamed['ln_final.bias']
    torch.save(renamed, tmp_path / 'c.pth')
    with pytest.raises(CheckpointError, match=r'ln_final\.bias is missing'):
        encoder.init_weights()
