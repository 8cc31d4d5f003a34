# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Two runs item by item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from magnet_mm.errors import DataError
from magnet_mm.evaluation.results_io import Item
from magnet_mm.evaluation.scores import item_iou


@dataclass(frozen=True)
class PairedItems:
    """The test items that two runs share.

    Attributes:
        first: Items of run A.
        second: Items of run B; item ``k`` is the test item of ``first[k]``.
        only_first: Number of items that only A has.
        only_second: Number of items that only B has.
        other_sentences: Number of pairs whose sentences differ (a control against its split).
    """

    first: tuple[Item, ...]
    second: tuple[Item, ...]
    only_first: int
    only_second: int
    other_sentences: int

    def gains(self) -> list[float]:
        """IoU of B minus IoU of A, item by item, -1 to 1."""
        return [item_iou(b) - item_iou(a) for a, b in zip(self.first, self.second, strict=True)]


def pair_items(first: Sequence[Item], second: Sequence[Item]) -> PairedItems:
    """Pair the items of two runs by dataset, ref and sentence.

    The split is not compared, so that a control can be set against its split (``val_blank`` has
    the items of ``val`` with empty sentences).

    Raises:
        DataError: If the runs share no item.
    """
    by_key = {_key(item): item for item in second}
    pairs = [(item, by_key[_key(item)]) for item in first if _key(item) in by_key]
    if not pairs:
        raise DataError(
            f'The two runs share no item: one holds {_names(first)}, the other {_names(second)}. '
            'Compare runs over the same dataset and split.'
        )
    return PairedItems(
        first=tuple(a for a, _ in pairs),
        second=tuple(b for _, b in pairs),
        only_first=len(first) - len(pairs),
        only_second=len(second) - len(pairs),
        other_sentences=sum(a['expression'] != b['expression'] for a, b in pairs),
    )


def _key(item: Item) -> tuple[str, int, int]:
    return item['dataset_name'], item['ref_id'], item['sent_id']


def _names(items: Sequence[Item]) -> str:
    return ', '.join(sorted({f'{i["dataset_name"]} {i["split"]}' for i in items})) or 'nothing'
