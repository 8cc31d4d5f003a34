# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Batch norm of words equals that of a batch that was cut to its longest sentence."""

import pytest
import torch

from magnet_mm.models.layers.word_projection import WordBatchNorm, WordProjection

LENGTHS = [(4, 2), (5, 5), (1, 3)]


def batch(lengths):
    mask = (torch.arange(6) < torch.tensor(lengths)[:, None]).long()
    return torch.randn(2, 6, 3) * 2 + 1, mask, max(lengths)


@pytest.mark.parametrize('lengths', LENGTHS)
def test_statistics_stop_at_the_longest_sentence(lengths):
    words, mask, longest = batch(lengths)
    ours, plain = WordBatchNorm(3), torch.nn.BatchNorm1d(3)
    for norm in (ours, plain):
        torch.nn.init.constant_(norm.weight, 1.5)
        torch.nn.init.constant_(norm.bias, 0.2)
    expected = plain(words[:, :longest].reshape(-1, 3)).view(2, longest, 3)
    torch.testing.assert_close(ours(words, mask)[:, :longest], expected)
    torch.testing.assert_close(ours.running_mean, plain.running_mean)
    torch.testing.assert_close(ours.running_var, plain.running_var)
    assert ours.num_batches_tracked == 1
    torch.testing.assert_close(
        ours.eval()(words, mask)[:, :longest],
        plain.eval()(words[:, :longest].reshape(-1, 3)).view(2, longest, 3),
    )


def test_projection():
    words, mask, _ = batch((4, 2))
    projection = WordProjection(3, 5).eval()
    expected = projection.linear(words).div((1 + 1e-5) ** 0.5).relu()
    torch.testing.assert_close(projection(words, mask), expected)


def test_half_precision_is_normalised_in_full():
    words, mask, longest = batch((4, 2))
    norm = WordBatchNorm(3)
    ours = norm(1000 + words.bfloat16(), mask)
    assert ours.dtype == torch.bfloat16 and ours.isfinite().all()


def test_a_batch_of_empty_sentences_is_finite():
    assert WordBatchNorm(3)(torch.randn(2, 6, 3), torch.zeros(2, 6).long()).isfinite().all()
