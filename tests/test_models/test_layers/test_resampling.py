# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Pooling and upsampling by matrices against torch's kernels."""

import pytest
import torch
import torch.nn.functional as F

from magnet_mm.models.layers import pooling_matrix, upsampling_matrix

CPU = torch.device('cpu')


@pytest.mark.parametrize('size', [(12, 18), (5, 7), (15, 2)], ids=str)
def test_pooling_equals_adaptive_average_pooling(size):
    maps = torch.randn(2, 3, *size)
    pooled = pooling_matrix(*size, (1, 2, 3, 6), CPU) @ maps.flatten(2).transpose(1, 2)
    expected = [F.adaptive_avg_pool2d(maps, grid).flatten(2) for grid in (1, 2, 3, 6)]
    torch.testing.assert_close(pooled, torch.cat(expected, -1).transpose(1, 2))


@pytest.mark.parametrize('size', [(12, 18), (5, 7), (1, 4)], ids=str)
def test_upsampling_equals_bilinear_interpolation(size):
    grids = [torch.randn(2, 3, side, side) for side in (1, 2, 3, 6)]
    cells = torch.cat([grid.flatten(2) for grid in grids], -1).transpose(1, 2)
    summed = upsampling_matrix(*size, (1, 2, 3, 6), CPU) @ cells
    expected = sum(F.interpolate(grid, size, mode='bilinear', align_corners=True) for grid in grids)
    torch.testing.assert_close(summed, expected.flatten(2).transpose(1, 2), rtol=1e-5, atol=1e-5)
