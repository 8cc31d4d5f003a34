# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Fused window attention against mmseg's, values and gradients, with and without padding."""

import pytest
import torch
from mmseg.models.backbones.swin import ShiftWindowMSA

from magnet_mm.models.visual.window_attention import ShiftedWindowAttention, window_layout


def build_pair(shift: int, qkv_bias: bool = True) -> tuple[ShiftWindowMSA, ShiftedWindowAttention]:
    plain = ShiftWindowMSA(8, 2, window_size=4, shift_size=shift, qkv_bias=qkv_bias).double()
    for parameter in plain.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return plain, ShiftedWindowAttention(plain)


@pytest.mark.parametrize('shift', [0, 2])
@pytest.mark.parametrize('size', [(8, 8), (7, 10), (3, 2)], ids=str)
@pytest.mark.parametrize('batch', [1, 3])
def test_values_and_gradients_equal_mmseg(shift, size, batch):
    plain, fused = build_pair(shift)
    tokens = torch.randn(batch, size[0] * size[1], 8, dtype=torch.float64, requires_grad=True)
    expected, ours = plain(tokens, size), fused(tokens, size)
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)
    wanted = [tokens, *plain.parameters()]
    upstream = torch.randn_like(ours)
    gradients = torch.autograd.grad(ours, wanted, upstream)
    for gradient, reference in zip(
        gradients, torch.autograd.grad(expected, wanted, upstream), strict=True
    ):
        torch.testing.assert_close(gradient, reference, rtol=1e-9, atol=1e-9)
    # the position bias learns
    assert fused.w_msa.relative_position_bias_table in set(plain.parameters())
    assert gradients[1].abs().max() > 0


def test_without_qkv_bias():
    plain, fused = build_pair(2, qkv_bias=False)
    tokens = torch.randn(2, 15, 8, dtype=torch.float64)
    torch.testing.assert_close(fused(tokens, (5, 3)), plain(tokens, (5, 3)))


def test_parameter_names_stay():
    plain, fused = build_pair(2)
    assert list(fused.state_dict()) == list(plain.state_dict())


def test_layout_by_hand():
    layout = window_layout(2, 3, window=2, shift=1, device=torch.device('cpu'))
    # tokens 0 1 2 / 3 4 5, a column of padding (6), rolled up and left by one
    assert layout.source.tolist() == [4, 5, 1, 2, 6, 3, 6, 0]
    assert layout.place.tolist() == [7, 2, 3, 5, 0, 1]
    # the seam separates the rows everywhere, and the columns in the last window
    assert (layout.mask[0, 0] == 0).tolist() == [
        [True, True, False, False],
        [True, True, False, False],
        [False, False, True, True],
        [False, False, True, True],
    ]
    assert torch.equal(layout.mask[1, 0] == 0, torch.eye(4, dtype=torch.bool))
    assert set(layout.mask.unique().tolist()) == {-100.0, 0.0}


def test_the_layout_is_made_once_per_size():
    first = window_layout(6, 5, 4, 2, torch.device('cpu'))
    again = window_layout(6, 5, 4, 2, torch.device('cpu'))
    assert first.source is again.source
    assert first.mask is again.mask
    assert window_layout(6, 6, 4, 2, torch.device('cpu')).source is not first.source


def test_attention_dropout_is_for_training():
    plain = ShiftWindowMSA(8, 2, window_size=4, attn_drop_rate=0.5)
    fused = ShiftedWindowAttention(plain)
    tokens = torch.randn(1, 16, 8)
    assert not torch.equal(fused(tokens, (4, 4)), fused(tokens, (4, 4)))
    fused.eval()
    assert torch.equal(fused(tokens, (4, 4)), fused(tokens, (4, 4)))
