# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""EFN's sentence is that of a packed bidirectional GRU at the last word."""

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from magnet_mm.models import EFNTextEncoder

LENGTHS = torch.tensor([4, 7, 1])
IDS = torch.randint(1, 20, (3, 9), generator=torch.Generator().manual_seed(0))
MASK = (torch.arange(9) < LENGTHS[:, None]).long()


def test_the_sentence_is_the_packed_grus_at_the_last_word():
    encoder = EFNTextEncoder(20, 6).eval()
    packed = torch.nn.GRU(6, 6, batch_first=True, bidirectional=True)
    weights = encoder.forward_rnn.state_dict()
    weights |= {f'{key}_reverse': value for key, value in encoder.backward_rnn.state_dict().items()}
    packed.load_state_dict(weights)
    read = encoder.mlp(encoder.embedding(IDS))
    states, _ = pad_packed_sequence(
        packed(pack_padded_sequence(read, LENGTHS, batch_first=True, enforce_sorted=False))[0],
        batch_first=True,
    )
    last = states[torch.arange(3), LENGTHS - 1]
    expected = F.normalize(encoder.sentence_project(last), dim=-1)
    text = encoder(IDS, MASK)
    torch.testing.assert_close(text.sentence, expected)
    masked = (read * MASK[..., None]).flatten(0, 1)
    expected = encoder.word_project.linear(masked).div((1 + 1e-5) ** 0.5).relu()
    torch.testing.assert_close(text.words.flatten(0, 1), expected)


def test_padding_changes_nothing():
    encoder = EFNTextEncoder(20, 6).eval()
    other = torch.where(MASK.bool(), IDS, 13)
    before, after = encoder(IDS, MASK), encoder(other, MASK)
    assert torch.equal(before.sentence, after.sentence)
    assert torch.equal(before.words, after.words)


def test_gradients():
    """The recurrent matrix of the backward direction has a zero one, which is not none."""
    encoder = EFNTextEncoder(20, 6)
    text = encoder(IDS, MASK)
    (text.sentence.sum() + text.words.square().sum()).backward()
    zero = {
        name for name, parameter in encoder.named_parameters() if not parameter.grad.abs().max() > 0
    }
    assert zero == {'backward_rnn.weight_hh_l0'}


def test_a_sentence_without_a_word_is_finite():
    encoder = EFNTextEncoder(20, 6).eval()
    text = encoder(IDS[:1], torch.zeros(1, 9).long())
    assert text.words.isfinite().all() and text.sentence.isfinite().all()
