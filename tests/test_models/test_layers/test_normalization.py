# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""SequenceInstanceNorm against torch's InstanceNorm1d."""

import torch

from magnet_mm.models.layers.normalization import SequenceInstanceNorm


def test_equals_instance_norm_1d_with_gradient():
    x = (3.0 * torch.randn(2, 7, 5) + 2.0).requires_grad_()
    upstream = torch.randn(2, 7, 5)
    ours = SequenceInstanceNorm()(x)
    theirs = torch.nn.InstanceNorm1d(5)(x.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(
        torch.autograd.grad(ours, x, upstream)[0],
        torch.autograd.grad(theirs, x, upstream)[0],
        rtol=1e-4,
        atol=1e-5,
    )


def test_by_hand():
    x = torch.tensor([[[1.0], [3.0], [5.0]]])  # mean 3, variance 8/3
    expected = torch.tensor([[[-(1.5**0.5)], [0.0], [1.5**0.5]]])
    torch.testing.assert_close(SequenceInstanceNorm(eps=0.0)(x), expected)


def test_bfloat16_is_normalised_in_float32():
    x = torch.randn(2, 50, 3).bfloat16() + 100.0  # bfloat16 sums of these would be far off
    out = SequenceInstanceNorm()(x)
    assert out.dtype == torch.bfloat16
    assert torch.equal(out, SequenceInstanceNorm()(x.float()).bfloat16())


def test_no_parameters():
    assert not SequenceInstanceNorm().state_dict()
