# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Cell centres of a feature map."""

import torch

from magnet_mm.models.layers import cell_centres


def test_cell_centres_run_row_by_row_as_x_y():
    expected = [
        [0.25, 1 / 6],
        [0.75, 1 / 6],
        [0.25, 0.5],
        [0.75, 0.5],
        [0.25, 5 / 6],
        [0.75, 5 / 6],
    ]
    centres = cell_centres(3, 2, torch.device('cpu'))
    assert centres.dtype == torch.float32
    torch.testing.assert_close(centres, torch.tensor(expected))
