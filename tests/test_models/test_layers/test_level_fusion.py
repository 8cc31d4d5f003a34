# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""MUTAN, coordinates, the lateral of the fine level, TF 1's resizing and the masked softmax."""

import torch

from magnet_mm.models.layers.coordinates import cmpc_coordinates
from magnet_mm.models.layers.level_fusion import Lateral
from magnet_mm.models.layers.masked_softmax import masked_softmax
from magnet_mm.models.layers.mutan import Mutan
from magnet_mm.models.layers.tf_resize import tf_resize
from magnet_mm.models.losses.kernel_penalty import kernel_penalty


def test_mutan_against_a_loop():
    mutan = Mutan(3, 4, 5, num_heads=2)
    visual, sentence = torch.randn(2, 6, 3), torch.randn(2, 1, 4)
    got = mutan(visual, sentence)
    for b in range(2):
        for n in range(6):
            total = torch.zeros(5)
            for v, t in zip(mutan.visual, mutan.text, strict=True):
                total += v(visual[b, n]).tanh() * t(sentence[b, 0]).tanh()
            expected = total.tanh()
            torch.testing.assert_close(got[b, n], expected / expected.norm())


def test_coordinates():
    place = cmpc_coordinates(2, 4, torch.device('cpu'))
    assert place.shape == (1, 2, 4, 8)
    # row 1, column 3: the last quarter in x, the lower half in y
    assert place[0, 1, 3].tolist() == [0.5, 0, 1, 1, 0.75, 0.5, 0.25, 0.5]
    assert place[0, 0, 0].tolist() == [-1, -1, -0.5, 0, -0.75, -0.5, 0.25, 0.5]


def test_the_fine_level_is_padded_below_and_to_the_right():
    lateral = Lateral(1, 1, halve=True)
    with torch.no_grad():
        lateral.conv.weight.fill_(1)
        lateral.conv.bias.zero_()
    got = lateral(torch.arange(16.0).view(1, 1, 4, 4))[0, ..., 0]
    assert got.tolist() == [[45, 39], [66, 50]]  # sums of 3x3, 3x2, 2x3 and 2x2 numbers


def test_tf_resize_against_a_loop():
    x = torch.randn(2, 3, 3, 2)
    got = tf_resize(x, (7, 8))
    for row in range(7):
        for column in range(8):
            y, z = row * 3 / 7, column * 2 / 8
            a, b = int(y), int(z)
            below, right = min(a + 1, 2), min(b + 1, 1)
            top = x[:, :, a, b] * (1 - (z - b)) + x[:, :, a, right] * (z - b)
            low = x[:, :, below, b] * (1 - (z - b)) + x[:, :, below, right] * (z - b)
            expected = top * (1 - (y - a)) + low * (y - a)
            torch.testing.assert_close(got[:, :, row, column], expected, rtol=1e-5, atol=1e-6)


def test_tf_resize_by_hand():
    got = tf_resize(torch.tensor([[[[0.0, 4.0]]]]), (2, 8))
    assert got[0, 0].tolist() == [[0, 1, 2, 3, 4, 4, 4, 4]] * 2


def test_masked_softmax():
    scores = torch.tensor([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], requires_grad=True)
    got = masked_softmax(scores, torch.tensor([[1, 0, 1], [0, 0, 0]]))
    e = torch.e**2
    torch.testing.assert_close(got[0], torch.tensor([1 / (1 + e), 0, e / (1 + e)]))
    assert (got[1] == 0).all()
    got.square().sum().backward()
    assert scores.grad.isfinite().all()


def test_kernel_penalty():
    module = torch.nn.Sequential(
        torch.nn.Linear(2, 1), torch.nn.LayerNorm(1), torch.nn.Conv2d(1, 1, 1)
    )
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[3.0, 4.0]]))
        module[2].weight.fill_(2)
    assert kernel_penalty(module).item() == (25 + 4) / 2
