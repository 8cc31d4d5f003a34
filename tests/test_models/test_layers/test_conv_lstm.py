# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""ConvLSTM with joint layer norm and peepholes against loops over samples and steps."""

import torch

from magnet_mm.models.layers.conv_lstm import ConvLSTM
from magnet_mm.models.layers.joint_norm import JointLayerNorm


def joint(norm: JointLayerNorm, x: torch.Tensor) -> torch.Tensor:
    """One sample ``[..., C]``: a mean and a biased variance of everything."""
    mean = x.mean()
    return (x - mean) / ((x - mean) ** 2).mean().add(norm.eps).sqrt() * norm.weight + norm.bias


def test_joint_norm():
    norm = JointLayerNorm(3)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = torch.randn(2, 4, 5, 3) * 3 + 1
    for got, sample in zip(norm(x), x, strict=True):
        torch.testing.assert_close(got, joint(norm, sample))


def test_joint_norm_of_the_real_words_alone():
    norm = JointLayerNorm(3)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = torch.randn(3, 5, 3)
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]])
    got = norm(x, mask)
    torch.testing.assert_close(got[0, 2:], joint(norm, x[0, 2:]))
    torch.testing.assert_close(got[1], joint(norm, x[1]))
    assert (got[0, :2] == 0).all() and (got[2] == 0).all()


def test_against_a_loop():
    conv_lstm = ConvLSTM(4, (3, 2))
    cell = conv_lstm.cell
    for value in cell.parameters():
        torch.nn.init.normal_(value, std=0.5)
    maps = [torch.randn(2, 3, 2, 4) for _ in range(3)]
    got = conv_lstm(maps)
    norms = cell.norms
    for index in range(2):
        c = h = torch.zeros(3, 2, 4)
        for x in maps:
            y = torch.cat([x[index], h], -1) @ cell.kernel.T
            j, i, f, o = y[..., :4], y[..., 4:8], y[..., 8:12], y[..., 12:]
            i, f = i + cell.peephole_i * c, f + cell.peephole_f * c
            j, i, f = joint(norms['j'], j), joint(norms['i'], i), joint(norms['f'], f)
            new = c * (f + 1).sigmoid() + i.sigmoid() * j.tanh()
            o = joint(norms['o'], o + cell.peephole_o * new)
            c = joint(norms['c'], new)
            h = o.sigmoid() * c.tanh()
        torch.testing.assert_close(got[index], h)
    got.square().sum().backward()
    for name, value in conv_lstm.named_parameters():
        assert value.grad.abs().sum() > 0, name
