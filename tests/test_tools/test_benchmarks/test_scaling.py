# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The scaling formula by hand."""

import pytest
from benchmarks.scaling import Cluster, all_reduce_seconds, estimate


def test_all_reduce_by_hand():
    # 4 devices: each sends 2 * 3 / 4 of 8 GB over 12 GB/s
    assert all_reduce_seconds(8e9, 4, 12e9) == pytest.approx(1.0)
    guess = estimate(3.0, 2, 8e9, Cluster('four', 4, 12e9))
    assert guess['step_seconds'] == pytest.approx(4.0)
    assert guess['images_per_second'] == pytest.approx(2.0)
    assert guess['efficiency'] == pytest.approx(0.75)


def test_one_device_reduces_nothing():
    assert all_reduce_seconds(8e9, 1, 1e9) == 0
    assert estimate(3.0, 2, 8e9, Cluster('one', 1, 1e9))['efficiency'] == 1
