# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Scores as ratios equal the scoring functions; tests of differences have the right size."""

from __future__ import annotations

import numpy as np
import pytest

from magnet_mm.analysis import resampled_scores
from magnet_mm.evaluation import score_generalized_items, score_items
from magnet_mm.evaluation.scores import Scoring
from magnet_mm.scoring.intervals import Ratios, _percent


def make_items(count, seed=0, **more):
    rng = np.random.default_rng(seed)
    unions = rng.integers(1, 100, count)
    return [
        dict(
            intersection=int(rng.integers(0, union + 1)),
            union=int(union),
            kind=('place', 'attribute', None)[index % 3],
            **{name: bool(rng.integers(2)) for name in more},
        )
        for index, union in enumerate(unions)
    ]


@pytest.mark.parametrize('scoring', [Scoring(), Scoring((50, 75), True, (1e-10, 1e-6))])
def test_ratios_are_the_scores(scoring):
    items = make_items(60)
    ratios = Ratios(items, [index // 4 for index in range(60)], scoring)
    assert ratios.totals.shape[0] == 15
    found = dict(zip(ratios.names, _percent(ratios.totals.sum(0)), strict=True))
    assert found == pytest.approx(score_items(items, scoring))


def test_ratios_are_the_generalized_scores():
    items = make_items(60, no_target=True, predicted_no_target=True)
    ratios = Ratios(items, range(60))
    found = dict(zip(ratios.names, _percent(ratios.totals.sum(0)), strict=True))
    assert found == pytest.approx(score_generalized_items(items))


def test_intervals_are_those_of_the_report():
    items, images = make_items(60), [index // 4 for index in range(60)]
    low, high = np.percentile(resampled_scores([items], images)[0, :, 0], [2.5, 97.5])
    assert Ratios(items, images).intervals()['oIoU'] == pytest.approx((low, high))


def test_a_difference_and_its_p_value():
    # Three images, B better by 10 points on each. Exchanging the results of each image with
    # probability 1/2, one of four gives a difference as large: none or all exchanged.
    first = [dict(intersection=k, union=100, kind=None) for k in (20, 40, 60)]
    second = [dict(item, intersection=item['intersection'] + 10) for item in first]
    difference = Ratios(first, range(3)).compare(Ratios(second, range(3)))['mIoU']
    assert difference.value == pytest.approx(10)
    assert (difference.low, difference.high) == pytest.approx((10, 10))
    assert difference.p == pytest.approx(0.25, abs=0.02)


def test_equal_models_do_not_differ():
    ratios = Ratios(make_items(20), range(20))
    for difference in ratios.compare(ratios).values():
        assert (difference.value, difference.low, difference.high, difference.p) == (0, 0, 0, 1)
