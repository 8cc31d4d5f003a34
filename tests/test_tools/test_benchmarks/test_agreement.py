# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Counted differences of masks, by hand."""

from pathlib import Path

import pytest
import torch
from benchmarks import Workload, measure_agreement
from benchmarks.agreement import compare

from magnet_mm.errors import CheckpointError


def mask(*rows: str) -> torch.Tensor:
    """A boolean mask, ``#`` is foreground."""
    return torch.tensor([[[cell == '#' for cell in row] for row in rows]])


def test_differences_by_hand():
    first = [mask('##..', '....'), mask('....', '....'), mask('####', '####')]
    second = [mask('.##.', '....'), mask('....', '....'), mask('####', '####')]
    result = compare(first, second)
    assert (result['items'], result['pixels'], result['flipped']) == (3, 24, 2)
    assert result['flipped_share'] == pytest.approx(2 / 24)
    # one of three pixels in common; both empty; equal
    mean = pytest.approx((1 / 3 + 1 + 1) / 3)
    assert result['mask_iou'] == dict(
        overall=pytest.approx((1 + 8) / (3 + 8)), mean=mean, min=1 / 3
    )


def test_a_filled_up_last_batch_is_left_out():
    result = compare([mask('#.')], [mask('#.'), mask('##')])
    assert (result['items'], result['flipped']) == (1, 0)


def test_weights_that_are_not_there():
    config = Path(__file__).resolve().parents[3] / 'configs/magnet_tiny_refshapes.py'
    workload = Workload(config=str(config), device=torch.device('cpu'), batch=2)
    with pytest.raises(CheckpointError, match='no checkpoint absent.pth'):
        measure_agreement(workload, 'absent.pth', items=2)
