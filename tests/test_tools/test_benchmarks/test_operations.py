# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Operation counts of cases that can be counted by hand."""

import pytest
import torch
import torch.nn.functional as F
from benchmarks import count_operations

from magnet_mm.models.layers import deformable_attention


def test_matrix_product():
    assert count_operations(lambda: torch.ones(3, 4) @ torch.ones(4, 5)) == 2 * 3 * 4 * 5


@pytest.mark.parametrize('gradient', [False, True])
def test_fused_attention(gradient):
    q, k = torch.randn(2, 3, 7, 8, requires_grad=gradient), torch.randn(2, 3, 5, 8)

    def call():
        out = F.scaled_dot_product_attention(q, k, k)
        if gradient:
            out.sum().backward()

    forward = 2 * 2 * 2 * 3 * 7 * 5 * 8  # scores and sums, multiply and add
    # backward: the scores again, and the gradients of scores, query, key and value
    assert count_operations(call) == forward * (1 + 2.5 * gradient)


def test_gather_of_deformable_attention():
    value = torch.randn(2, 6, 2, 4, requires_grad=True)
    locations = torch.rand(2, 5, 2, 1, 3, 2, requires_grad=True)
    weights = torch.rand(2, 5, 2, 1, 3)
    gathered = 2 * 5 * 2 * 1 * 3 * 4 * 4  # batch, queries, heads, levels, points, corners, channels

    def call(gradient: bool):
        with torch.set_grad_enabled(gradient):
            out = deformable_attention(value, [(2, 3)], locations, weights)
        if gradient:
            out.sum().backward()

    assert count_operations(lambda: call(False)) == 2 * gathered
    # one gather more for the value's gradient, one product for the weights'
    assert count_operations(lambda: call(True)) == 3 * 2 * gathered
