# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Attention with a width of its own against the written-out formula."""

import pytest
import torch

from magnet_mm.models.layers.wide_attention import WideAttention


@pytest.mark.parametrize('masked', [False, True])
def test_equals_a_loop_over_heads(masked):
    attention = WideAttention(6, 8, num_heads=2)
    query, key, value = torch.randn(2, 3, 6), torch.randn(2, 5, 6), torch.randn(2, 5, 6)
    mask = torch.tensor([[1, 1, 0, 1, 0], [0, 1, 1, 1, 1]]).bool() if masked else None
    q, k, v = attention.query(query), attention.key(key), attention.value(value)
    heads = []
    for head in (slice(0, 4), slice(4, 8)):
        scores = q[..., head] @ k[..., head].transpose(1, 2) / 2  # the root of 4
        if masked:
            scores = scores.masked_fill(~mask[:, None], -torch.inf)
        heads.append(scores.softmax(-1) @ v[..., head])
    expected = attention.out(torch.cat(heads, -1))
    torch.testing.assert_close(attention(query, key, value, mask), expected)
