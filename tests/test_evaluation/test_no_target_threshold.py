# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Thresholds of the no-target answer, by hand; where the chosen one is kept; pairs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from magnet_mm.engine import NoTargetThresholdHook
from magnet_mm.engine.checkpointing.no_target_threshold import store_threshold, stored_threshold
from magnet_mm.errors import CheckpointError, DataError
from magnet_mm.evaluation.no_target_threshold import best_row, threshold_table
from magnet_mm.evaluation.pair_metric import score_pairs


def item(no_target, probability, intersection=0, union=10, predicted=10):
    return dict(
        no_target=no_target,
        no_target_probability=probability,
        intersection=intersection,
        union=union,
        predicted=predicted,
    )


ITEMS = [
    item(True, 0.9),  # nothing is meant, 10 pixels predicted
    item(True, 0.4),
    item(False, 0.6, intersection=5, union=10),  # IoU 1/2
    item(False, 0.1, intersection=8, union=10),  # IoU 4/5
]


def test_rows_by_hand():
    rows = threshold_table(ITEMS, thresholds=(0.05, 0.3, 0.5, 0.7, 0.95))
    assert [row.n_acc for row in rows] == [100, 100, 50, 50, 0]
    assert [row.t_acc for row in rows] == [0, 50, 50, 100, 100]
    expected = [50, 70, 45, 57.5, 32.5]  # (1 + 1 + 0 + 0.8) / 4 at 0.3, and so on
    assert [row.giou for row in rows] == pytest.approx(expected)
    assert best_row(rows).threshold == 0.3
    assert ITEMS[0]['predicted'] == 10  # the items are as they were


def test_equal_rows_are_decided_by_one_half():
    rows = threshold_table([item(True, 0.99)], thresholds=(0.1, 0.4, 0.7))
    assert best_row(rows).threshold == 0.4


def test_stored_in_the_metadata(tmp_path):
    path = tmp_path / 'model.pth'
    torch.save(dict(state_dict=dict(weight=torch.ones(2)), meta=dict(epoch=3)), path)
    assert stored_threshold(torch.load(path)) is None
    store_threshold(path, 0.35)
    loaded = torch.load(path, weights_only=True)
    assert loaded['meta'] == dict(epoch=3, no_target_threshold=0.35)
    assert loaded['state_dict']['weight'].tolist() == [1, 1]
    assert stored_threshold(loaded) == 0.35
    assert [p.name for p in tmp_path.iterdir()] == ['model.pth']


@pytest.mark.parametrize('threshold', [0, 1.5, 'high', True, float('nan')])
def test_no_probability(threshold):
    with pytest.raises(CheckpointError, match='no_target_threshold'):
        stored_threshold(dict(meta=dict(no_target_threshold=threshold)))


def test_a_test_takes_the_threshold_over():
    model = torch.nn.Module()
    taken = []
    model.set_no_target_threshold = taken.append
    runner = SimpleNamespace(model=model, _train_loop=None)
    for meta in (dict(no_target_threshold=0.2), dict()):
        NoTargetThresholdHook().after_load_checkpoint(runner, dict(state_dict={}, meta=meta))
    assert taken == [0.2, None]


def test_pairs_by_hand():
    def pair(ref_id, intersection, kind='colour'):
        return dict(
            dataset_name='refshapes',
            split='val_pairs',
            ref_id=ref_id,
            kind=kind,
            intersection=intersection,
            union=10,
        )

    items = [
        pair(0, 5),
        pair(1, 9),
        pair(2, 4),
        pair(3, 10),
        pair(4, 6, 'shape'),
        pair(5, 6, 'shape'),
    ]
    scores = score_pairs(items)
    assert scores['pairs'] == pytest.approx(200 / 3)
    assert (scores['pairs/colour'], scores['pairs/shape']) == (50, 100)
    with pytest.raises(DataError, match='refs 4 and 5'):
        score_pairs(items[:-1])
