# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""ReLU attention against its formula, head by head; positions and coordinates of VLT."""

import torch
import torch.nn.functional as F

from magnet_mm.models.layers.coordinates import vlt_coordinates
from magnet_mm.models.layers.relu_attention import ReLUAttention


def by_hand(attention, query, key, value, heads, causal):
    q, k, v = (
        F.relu(layer(x))
        for layer, x in (
            (attention.query, query),
            (attention.key, key),
            (attention.value, value),
        )
    )
    width, found = q.shape[-1] // heads, []
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        scores = q[..., part] @ k[..., part].transpose(1, 2) / width**0.5
        if causal:
            scores = scores - 10000 * torch.ones_like(scores).triu(1)
        found.append(scores.softmax(-1) @ v[..., part])
    return F.relu(attention.out(torch.cat(found, -1)))


def test_equals_the_formula():
    attention = ReLUAttention(8, 2)
    query, key, value = torch.randn(2, 3, 8), torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    expected = by_hand(attention, query, key, value, 2, False)
    torch.testing.assert_close(attention(query, key, value), expected)


def test_causal_queries_do_not_see_later_ones():
    attention = ReLUAttention(8, 4)
    x = torch.randn(1, 4, 8)
    expected = by_hand(attention, x, x, x, 4, True)
    torch.testing.assert_close(attention(x, x, x, causal=True), expected)
    changed = x.clone()
    changed[:, 3] += 1
    after = attention(changed, changed, changed, causal=True)
    torch.testing.assert_close(after[:, :3], expected[:, :3])


def test_coordinates_of_vlt():
    """x thrice, then y thrice, -1 to 1 with the corners at the first and last cell."""
    maps = vlt_coordinates(2, 3, torch.device('cpu'))
    assert maps.shape == (1, 6, 2, 3)
    assert maps[0, 2].tolist() == [[-1, 0, 1], [-1, 0, 1]]
    assert maps[0, 3].tolist() == [[-1, -1, -1], [1, 1, 1]]
