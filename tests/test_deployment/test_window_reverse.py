# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Our way back from windows to maps equals mmseg's."""

import torch
from mmseg.models.backbones.swin import ShiftWindowMSA

from magnet_mm.deployment.network import _window_reverse


def test_equals_mmseg():
    attention = ShiftWindowMSA(embed_dims=4, num_heads=1, window_size=3)
    maps = torch.randn(2, 6, 9, 4)
    windows = attention.window_partition(maps)
    assert torch.equal(_window_reverse(attention, windows, 6, 9), maps)
    assert torch.equal(attention.window_reverse(windows, 6, 9), maps)
