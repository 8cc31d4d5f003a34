# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""EFN's split into body and edge, and the band about a border."""

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from magnet_mm.models.layers.body_edge import BodyEdgeSplit, edge_band


def distances(mask: np.ndarray) -> np.ndarray:
    """EFN's edge map by its definition: distance transforms inside a ring of zeros, 0 < D <= 2."""
    padded = np.pad(mask, 1)
    distance = distance_transform_edt(padded) + distance_transform_edt(1 - padded)
    return ((distance > 0) & (distance <= 2))[1:-1, 1:-1]


def test_edge_band_is_that_of_distance_transforms():
    rng = np.random.default_rng(0)
    masks = [np.zeros((20, 31)) for _ in range(6)]
    masks[0][3:15, 4:20] = 1
    masks[1][:9, 20:] = 1  # touches the border of the image, which is an edge there
    masks[2][:] = 1
    masks[3][10, 10] = 1
    masks[4] = (rng.random((20, 31)) > 0.97).astype(float)
    masks[5] = (rng.random((20, 31)) > 0.5).astype(float)
    ours = edge_band(torch.from_numpy(np.stack(masks)).float()[:, None])
    for mask, edge in zip(masks, ours[:, 0], strict=True):
        np.testing.assert_array_equal(edge.numpy(), distances(mask))


def test_an_empty_mask_has_no_edge():
    assert not edge_band(torch.zeros(1, 1, 8, 8)).any()


def test_the_split_starts_at_the_identity():
    x = torch.randn(2, 6, 9, 13)
    body, edge = BodyEdgeSplit(6)(x)
    torch.testing.assert_close(body, x)
    assert edge.abs().max() < 1e-5


def test_the_warp_samples_between_pixel_centres():
    """A shift by one column: theta's offset is in units of half the width."""
    split = BodyEdgeSplit(4).eval()
    x = torch.randn(1, 4, 5, 8)
    with torch.no_grad():
        split.locate[-1].bias.copy_(torch.tensor([1.0, 0, 2 / 8, 0, 1, 0]))
    body, edge = split(x)
    expected = torch.zeros_like(x)  # what lies outside counts as zero
    expected[..., :-1] = x[..., 1:]
    torch.testing.assert_close(body, expected)
    torch.testing.assert_close(edge, x - expected)


@pytest.mark.parametrize('size', [(9, 13), (1, 1)])
def test_every_parameter_gets_a_gradient(size):
    split = BodyEdgeSplit(4).eval()
    torch.nn.init.normal_(split.locate[-1].weight)
    body, _ = split(torch.randn(2, 4, *size))
    body.square().sum().backward()
    assert all(parameter.grad is not None for parameter in split.parameters())
