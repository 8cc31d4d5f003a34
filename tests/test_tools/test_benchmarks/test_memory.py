# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What a graph holds for its backward pass, by hand."""

from types import SimpleNamespace

import torch
from benchmarks.memory import _loss_and_kept
from torch import nn


def test_kept_bytes_without_parameters():
    layer = nn.Linear(10, 20, bias=False)
    inputs = torch.randn(4, 10)

    def loss():
        return layer(inputs).exp().sum()  # keeps the inputs, the weight and exp's result

    training = SimpleNamespace(model=layer, loss=loss)
    value, kept = _loss_and_kept(training)
    assert kept == 4 * (4 * 10 + 4 * 20)
    value.backward()
    torch.testing.assert_close(layer.weight.grad, layer(inputs).exp().T @ inputs)
