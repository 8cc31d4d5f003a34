# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Intervals by resampling images."""

from __future__ import annotations

import numpy as np
import pytest

from magnet_mm.analysis.bootstrap import (
    SCORES,
    interval,
    item_sums,
    resampled_scores,
    scores_of,
)
from magnet_mm.errors import DataError
from magnet_mm.evaluation import score_items


def make_items(count, seed=0):
    generator = np.random.default_rng(seed)
    unions = generator.integers(1, 1000, count)
    shares = generator.random(count)
    return [
        dict(intersection=int(u * s), union=int(u), kind=None)
        for u, s in zip(unions, shares, strict=True)
    ]


def test_scores_are_those_of_the_metric():
    items = [*make_items(200), dict(intersection=9, union=10, kind=None)]
    items.append(dict(intersection=0, union=0, kind=None))
    expected = score_items(items)
    assert list(SCORES) == list(expected)
    assert scores_of(item_sums(items).sum(0)) == pytest.approx(list(expected.values()))


def test_resampling_draws_whole_images():
    """Two images: a resample holds one of them twice or both once, never half of one."""
    items = [dict(intersection=1, union=2), dict(intersection=1, union=2)]
    items.append(dict(intersection=4, union=4))
    scores = resampled_scores([items], ['x', 'x', 'y'], resamples=300)[0]
    assert scores.shape == (300, 7)
    assert set(np.round(scores[:, 0], 6)) == {50.0, 75.0, 100.0}
    assert set(np.round(scores[:, 1], 6)) == {50.0, round(200 / 3, 6), 100.0}


def test_runs_share_the_draws_and_the_seed_decides():
    items = make_items(60)
    images = [index // 3 for index in range(60)]
    scores = resampled_scores([items, items], images, resamples=120)
    assert (scores[0] == scores[1]).all()
    assert (scores == resampled_scores([items, items], images, resamples=120)).all()
    other = resampled_scores([items], images, resamples=120, seed=1)
    assert not (scores[0] == other[0]).all()


def test_interval_has_the_width_of_the_normal_one():
    """For the mean of independent items the percentile interval is close to 1.96 s / sqrt(n)."""
    items = make_items(400)
    ious = np.array([item['intersection'] / item['union'] for item in items])
    low, high = interval(resampled_scores([items], range(400), resamples=4000)[0, :, 1])
    margin = 196 * ious.std() / 20
    assert low == pytest.approx(100 * ious.mean() - margin, abs=0.2)
    assert high == pytest.approx(100 * ious.mean() + margin, abs=0.2)


def test_different_lengths_are_refused():
    with pytest.raises(DataError, match='same items'):
        resampled_scores([make_items(3), make_items(2)], [1, 2, 3])
    with pytest.raises(DataError, match='at least one'):
        resampled_scores([[]], [])
