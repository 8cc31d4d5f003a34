# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CAM against pooling and upsampling written out as matrices."""

import pytest
import torch

from magnet_mm.models.fusion import CAM

C, D = 8, 6


def pooled(side: int, cells: int) -> torch.Tensor:
    """Means over the stretches that adaptive pooling assigns to its cells, ``[cells, side]``."""
    matrix = torch.zeros(cells, side, dtype=torch.float64)
    for cell in range(cells):
        start, end = cell * side // cells, -(-(cell + 1) * side // cells)
        matrix[cell, start:end] = 1 / (end - start)
    return matrix


def upsampled(cells: int, side: int) -> torch.Tensor:
    """Linear interpolation between cells, the outer ones on the border, ``[side, cells]``."""
    matrix = torch.zeros(side, cells, dtype=torch.float64)
    for place in range(side):
        position = place * (cells - 1) / (side - 1)
        low = min(int(position), max(cells - 2, 0))
        matrix[place, low] += 1 - (position - low)
        matrix[place, min(low + 1, cells - 1)] += position - low
    return matrix


def by_matrices(module, visual, fused, words, mask):
    pyramid = []
    for level in module.levels:
        size, (height, width) = level.pool_size, visual.shape[1:3]
        cells = torch.einsum(
            'ph,qw,bhwc->bpqc', pooled(height, size), pooled(width, size), visual
        ).flatten(1, 2)
        grid = level(cells, words, mask).unflatten(1, (size, size))
        pyramid.append(
            torch.einsum('hp,wq,bpqc->bhwc', upsampled(size, height), upsampled(size, width), grid)
        )
    return module.mixer(torch.cat([*pyramid, fused], dim=-1))


@pytest.mark.parametrize('grids', [(1, 2, 3, 6), (2,)], ids=str)
def test_values_and_gradients(grids):
    module = CAM(C, D, grids).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    visual, fused = (
        torch.randn(2, 6, 7, C, dtype=torch.float64, requires_grad=True) for _ in range(2)
    )
    words = torch.randn(2, 4, D, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
    ours, expected = (
        f(visual, fused, words, mask) for f in (module, lambda *a: by_matrices(module, *a))
    )
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)
    wanted = [visual, fused, words, *module.parameters()]
    upstream = torch.randn_like(ours)
    references = torch.autograd.grad(expected, wanted, upstream)
    # Two channels behind a layer norm are +1 and -1: a gradient may vanish there.
    assert sum(reference.abs().max() > 0 for reference in references) >= len(wanted) - 2
    gradients = torch.autograd.grad(ours, wanted, upstream)
    for gradient, reference in zip(gradients, references, strict=True):
        torch.testing.assert_close(gradient, reference, rtol=1e-8, atol=1e-8)
