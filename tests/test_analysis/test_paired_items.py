# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Pairing of two runs."""

from __future__ import annotations

import pytest

from magnet_mm.analysis import pair_items
from magnet_mm.errors import DataError


def item(sent_id, intersection, split='val', expression='red', dataset_name='d'):
    return dict(
        dataset_name=dataset_name,
        split=split,
        ref_id=sent_id // 10,
        sent_id=sent_id,
        expression=expression,
        intersection=intersection,
        union=4,
    )


def test_pairs_by_identity_not_by_position():
    pairs = pair_items(
        [item(1, 1), item(2, 2), item(3, 0)],
        [item(9, 4), item(2, 1, 'val_blank', ''), item(1, 4, 'val_blank', '')],
    )
    assert [i['sent_id'] for i in pairs.first] == [i['sent_id'] for i in pairs.second] == [1, 2]
    assert pairs.gains() == [0.75, -0.25]
    assert (pairs.only_first, pairs.only_second, pairs.other_sentences) == (1, 1, 2)


def test_runs_without_a_common_item_are_refused():
    with pytest.raises(DataError, match='one holds d val, the other e val'):
        pair_items([item(1, 1)], [item(1, 1, dataset_name='e')])
