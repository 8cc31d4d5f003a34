# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Scores of Ref-ZOM and R-RefCOCO by hand, and PhraseCut's levels."""

from __future__ import annotations

import pytest
from mmseg.registry import METRICS

from magnet_mm.errors import ConfigError, DataError
from magnet_mm.evaluation.negative_scores import score_robust_items, score_zero_one_many
from magnet_mm.evaluation.released_rules import RELEASED_RULES


def item(ref_id: int, intersection: int, union: int, no_target: bool = False) -> dict:
    """An item as after `apply_no_target_rule`: a negative one is recognised if its union is 0."""
    return dict(
        dataset_name='d',
        split='val',
        ref_id=ref_id,
        kind=None,
        intersection=intersection,
        union=union,
        no_target=no_target,
        predicted_no_target=no_target and union == 0,
    )


ITEMS = [
    item(1, 8, 10),
    item(1, 4, 10),
    item(1, 0, 0, no_target=True),
    item(1, 0, 20, no_target=True),
    item(2, 5, 20),
    item(2, 0, 0, no_target=True),
]


def test_ref_zom():
    scores = score_zero_one_many(ITEMS)
    assert scores['oIoU'] == pytest.approx(100 * 17 / 40)
    assert scores['mIoU'] == pytest.approx(100 * (0.8 + 0.4 + 0.25) / 3)
    assert scores['P@0.8'] == pytest.approx(100 / 3)
    assert scores['Acc'] == pytest.approx(100 * 2 / 3)
    assert 'Acc' not in score_zero_one_many(ITEMS[:2])


def test_r_refcoco():
    scores = score_robust_items(ITEMS)
    assert scores['oIoU'] == pytest.approx(100 * 17 / 40)
    assert scores['mIoU'] == pytest.approx(100 * ((0.8 + 0.4) / 2 + 0.25) / 2)
    assert scores['mRR'] == pytest.approx(100 * (1 / 2 + 1) / 2)
    assert scores['r'] == pytest.approx(100 * 2 / 3)
    # ref 1: 12 of 20 + 20 pixels; ref 2: 5 of 20
    assert scores['rIoU'] == pytest.approx(100 * (12 / 40 + 5 / 20) / 2)


def test_nothing_but_negatives_cannot_be_scored():
    for score in (score_zero_one_many, score_robust_items):
        with pytest.raises(DataError, match='no items to score'):
            score([item(1, 0, 0, no_target=True)])


def test_phrasecut_counts_strictly_above_its_levels():
    scoring = RELEASED_RULES['phrasecut'].scoring
    assert scoring.levels == (30, 50, 70, 90)
    assert not scoring.reaches(dict(intersection=1, union=2), 50)
    assert scoring.reaches(dict(intersection=2, union=3), 50)


def test_another_protocol_is_refused():
    with pytest.raises(ConfigError, match='gres, ref-zom, r-refcoco'):
        METRICS.build(dict(type='GeneralizedReferringMetric', protocol='refzom'))
