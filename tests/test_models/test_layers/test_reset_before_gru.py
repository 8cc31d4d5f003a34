# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The reset-before GRU against a loop over single numbers."""

import math

import pytest
import torch

from magnet_mm.models.layers.reset_before_gru import BidirectionalResetBeforeGRU, ResetBeforeGRU


def by_hand(gru, inputs):
    """States of one sentence, number by number; gates in the order z, r, h."""
    n = gru.channels
    kernel, bias = gru.input.weight.tolist(), gru.input.bias.tolist()
    recurrent = gru.recurrent.weight.tolist()

    def dot(row, values):
        return sum(a * b for a, b in zip(row, values, strict=True))

    def sigmoid(x):
        return 1 / (1 + math.exp(-x))

    h, states = [0.0] * n, []
    for x in inputs:
        z = [sigmoid(dot(kernel[i], x) + bias[i] + dot(recurrent[i], h)) for i in range(n)]
        r = [
            sigmoid(dot(kernel[n + i], x) + bias[n + i] + dot(recurrent[n + i], h))
            for i in range(n)
        ]
        reset = [a * b for a, b in zip(r, h, strict=True)]
        g = [
            math.tanh(
                dot(kernel[2 * n + i], x) + bias[2 * n + i] + dot(recurrent[2 * n + i], reset)
            )
            for i in range(n)
        ]
        h = [z[i] * h[i] + (1 - z[i]) * g[i] for i in range(n)]
        states.append(h)
    return states


@pytest.fixture
def gru():
    made = ResetBeforeGRU(3, 4)
    torch.nn.init.normal_(made.input.bias)
    return made


def test_every_step(gru):
    x = torch.randn(2, 5, 3)
    expected = torch.tensor([by_hand(gru, row) for row in x.tolist()])
    torch.testing.assert_close(gru(x), expected, rtol=1e-5, atol=1e-6)


def test_the_other_direction_keeps_the_positions(gru):
    x = torch.randn(1, 4, 3)
    torch.testing.assert_close(gru(x, reverse=True), gru(x.flip(1)).flip(1))


def test_it_is_no_torch_gru(gru):
    """The same weights in torch's cell, which resets after the product, give other states."""
    theirs = torch.nn.GRU(3, 4, batch_first=True)
    order = torch.tensor([4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11])  # r, z, n
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(gru.input.weight[order])
        theirs.weight_hh_l0.copy_(gru.recurrent.weight[order])
        theirs.bias_ih_l0.copy_(gru.input.bias[order])
        theirs.bias_hh_l0.zero_()
        x = torch.randn(1, 3, 3)
        ours, other = gru(x), theirs(x)[0]
    torch.testing.assert_close(ours[:, 0], other[:, 0])  # no state yet to reset
    assert (ours[:, 2] - other[:, 2]).abs().max() > 1e-3


def test_directions_are_summed_and_padding_counts():
    both = BidirectionalResetBeforeGRU(3, 4).eval()
    torch.nn.init.normal_(both.backwards.input.bias)
    x = torch.randn(2, 4, 3)
    expected = both.forwards(x) + both.backwards(x, reverse=True)
    torch.testing.assert_close(both(x), expected)
    padded = torch.cat([x, torch.zeros(2, 2, 3)], 1)
    assert (both(padded)[:, :4] - both(x)).abs().max() > 1e-3  # biases move the state


def test_dropout_takes_the_same_inputs_at_all_positions():
    both = BidirectionalResetBeforeGRU(50, 2, dropout=0.5).train()
    dropped = both._drop(torch.ones(3, 4, 50))
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    both.eval()
    assert torch.equal(both._drop(torch.ones(1, 2, 50)), torch.ones(1, 2, 50))


def test_initial_values():
    gru = ResetBeforeGRU(300, 64)
    limit = (6 / (300 + 3 * 64)) ** 0.5  # Glorot uniform over the joint kernel
    assert gru.input.weight.abs().max() <= limit and gru.input.weight.std() > 0.5 * limit
    product = gru.recurrent.weight.T @ gru.recurrent.weight
    torch.testing.assert_close(product, torch.eye(64), rtol=0, atol=1e-4)
    assert not gru.input.bias.any()
