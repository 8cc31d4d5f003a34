# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Pairs of sentences that differ in one word and mean different objects of one image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from mmseg.registry import METRICS

from magnet_mm.errors import DataError
from magnet_mm.evaluation.referring_metric import ReferringMetric
from magnet_mm.evaluation.results_io import Item
from magnet_mm.evaluation.scores import score_items


@METRICS.register_module()
class PairReferringMetric(ReferringMetric):
    """``pairs`` beside the scores of :class:`ReferringMetric`: both masks of a pair are right.

    The refs ``2k`` and ``2k + 1`` are a pair, as in RefShapes' ``refs(pairs).p``; a mask is right
    with an IoU of 0.5 or more. There is ``pairs/<kind>``, too. Source: our choice
    (docs/no_target.md).
    """

    def score(self, items: Sequence[Item]) -> dict[str, float]:
        """Scores in percent."""
        return {**score_items(items), **score_pairs(items)}


def score_pairs(items: Sequence[Item]) -> dict[str, float]:
    """Share of pairs with both right, in percent, of all and by kind.

    Raises:
        DataError: an item has no partner, or a ref has several sentences.
    """
    pairs: dict[tuple, list[Item]] = defaultdict(list)
    for item in items:
        pairs[item['dataset_name'], item['split'], item['ref_id'] // 2].append(item)
    right: dict[str, list[bool]] = defaultdict(list)
    for (_, split, number), members in pairs.items():
        if {item['ref_id'] % 2 for item in members} != {0, 1} or len(members) != 2:
            raise DataError(
                f'{split}: the refs {2 * number} and {2 * number + 1} should have one sentence '
                "each. Pairs are read from a file such as RefShapes' refs(pairs).p."
            )
        both = all(2 * item['intersection'] >= item['union'] > 0 for item in members)
        right['pairs'].append(both)
        if members[0].get('kind') is not None:
            right[f'pairs/{members[0]["kind"]}'].append(both)
    return {name: 100 * sum(values) / len(values) for name, values in sorted(right.items())}
