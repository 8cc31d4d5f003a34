# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CAM by matrices against the plain order: pool, align, upsample, concatenate, mix."""

import pytest
import torch
import torch.nn.functional as F

from magnet_mm.models.fusion import PyramidAlignment

C, D = 8, 6


def plain(module, visual, fused, words, mask):
    maps = visual.permute(0, 3, 1, 2)
    pyramid = []
    for level in module.levels:
        size = level.pool_size
        cells = F.adaptive_avg_pool2d(maps, size).flatten(2).transpose(1, 2)
        grid = level(cells, words, mask).transpose(1, 2).unflatten(2, (size, size))
        upsampled = F.interpolate(grid, visual.shape[1:3], mode='bilinear', align_corners=True)
        pyramid.append(upsampled.permute(0, 2, 3, 1))
    return module.mixer(torch.cat([*pyramid, fused], dim=-1))


@pytest.mark.parametrize('grids', [(1, 2, 3, 6), (2,)], ids=str)
def test_values_and_gradients(grids):
    module = PyramidAlignment(C, D, grids).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    visual, fused = (
        torch.randn(2, 6, 7, C, dtype=torch.float64, requires_grad=True) for _ in range(2)
    )
    words = torch.randn(2, 4, D, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
    ours, expected = (f(visual, fused, words, mask) for f in (module, lambda *a: plain(module, *a)))
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)
    wanted = [visual, fused, words, *module.parameters()]
    upstream = torch.randn_like(ours)
    for gradient, reference in zip(
        torch.autograd.grad(ours, wanted, upstream),
        torch.autograd.grad(expected, wanted, upstream),
        strict=True,
    ):
        assert reference.abs().max() > 0
        torch.testing.assert_close(gradient, reference, rtol=1e-8, atol=1e-8)
