# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Scores from pixel counts, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from magnet_mm.errors import DataError
from magnet_mm.evaluation import count_pixels, item_iou, score_items

KEYS = ['oIoU', 'mIoU', 'P@0.5', 'P@0.6', 'P@0.7', 'P@0.8', 'P@0.9']


def make_item(intersection, union, kind=None):
    return dict(intersection=intersection, union=union, kind=kind)


def test_count_pixels():
    prediction = torch.tensor([[1, 1, 0], [0, 1, 0]]).bool()
    ground_truth = torch.tensor([[1, 0, 0], [0, 1, 1]]).bool()
    counts = count_pixels(prediction, ground_truth)
    assert counts.dtype == torch.int64
    assert counts.tolist() == [2, 4]


def test_item_iou():
    assert item_iou(make_item(3, 4)) == 0.75
    assert item_iou(make_item(0, 0)) == 0.0


def test_scores_by_hand():
    items = [
        make_item(9, 10, 'attribute'),
        make_item(7, 10, 'attribute'),
        make_item(3, 5, 'place'),
        make_item(1, 2, 'place'),
        make_item(0, 0),  # nothing there, nothing predicted: 0 (LAVT)
        make_item(0, 4),  # empty prediction
    ]
    scores = score_items(items)
    assert list(scores) == [*KEYS, 'oIoU/attribute', 'oIoU/place']
    assert scores == pytest.approx(
        {
            'oIoU': 100 * 20 / 31,
            'mIoU': 45.0,  # (0.9 + 0.7 + 0.6 + 0.5 + 0 + 0) / 6
            'P@0.5': 100 * 4 / 6,
            'P@0.6': 50.0,
            'P@0.7': 100 * 2 / 6,
            'P@0.8': 100 / 6,
            'P@0.9': 100 / 6,
            'oIoU/attribute': 80.0,  # 16 / 20
            'oIoU/place': 100 * 4 / 7,
        },
        rel=1e-12,
    )
    assert all(type(value) is float for value in scores.values())


@pytest.mark.parametrize('tenths', [5, 6, 7, 8, 9])
@pytest.mark.parametrize('union', [10, 30, 70, 190, 480 * 480])
def test_precision_counts_equality(tenths, union):
    exact = tenths * union // 10
    assert score_items([make_item(exact, union)])[f'P@0.{tenths}'] == 100.0
    assert score_items([make_item(exact - 1, union)])[f'P@0.{tenths}'] == 0.0


def test_empty_unions_alone_score_zero():
    assert set(score_items([make_item(0, 0, 'place')]).values()) == {0.0}


def test_scores_do_not_depend_on_the_order():
    generator = np.random.default_rng(1)
    items = [make_item(int(i), 997) for i in generator.integers(0, 997, 200)]
    expected = score_items(items)
    for _ in range(5):
        generator.shuffle(items)
        assert score_items(items) == expected


def test_no_items_is_an_error():
    with pytest.raises(DataError, match='no items'):
        score_items([])
