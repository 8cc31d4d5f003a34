# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The coordinates of the published networks, by hand."""

import torch

from magnet_mm.models.layers.coordinates import efn_coordinates


def test_efn_takes_the_row_for_x_and_divides_it_by_the_width():
    ours = efn_coordinates(3, 5, torch.device('cpu'))
    assert ours.shape == (1, 8, 3, 5)
    row, column = 2, 4
    first, second = (2 * row - 5) / 5, (2 * column - 3) / 3
    third, fourth = (2 * (row + 1) - 5) / 5, (2 * (column + 1) - 3) / 3
    expected = [first, second, third, fourth]
    expected += [(first + third) / 2, (second + fourth) / 2, 1 / 3, 1 / 5]
    torch.testing.assert_close(ours[0, :, row, column], torch.tensor(expected))
