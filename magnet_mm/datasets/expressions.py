# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Which sentence an item gets: drawn per visit, every one, or a control (shuffled, blank)."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import numpy as np

from magnet_mm.errors import DataError
from magnet_mm.text_safety import printable

EXPRESSIONS = ('own', 'shuffled', 'blank')


def draw_sentence(count: int, seed: int, visit: int, item: int) -> int:
    """Draws the position of a sentence, uniformly, as a function of its arguments alone.

    Args:
        count (int): Number of sentences of the item.
        seed (int): The sampler's seed, >= 0.
        visit (int): The visit (epoch), >= 0.
        item (int): The item's index in its dataset, >= 0.

    Returns:
        int: 0 <= position < count.

    Source: docs/train_and_evaluate.md, "The protocol": drawn at every visit; the
    generator is our choice.
    """
    return int(np.random.default_rng((seed, visit, item)).integers(count))


def check_kind(kind: Any, where: str) -> None:
    """Check the kind of a sentence, which becomes a column of tables and a key of logs.

    Args:
        kind: None, or a short label such as `place`: letters, digits, `_`, `-`, `+`, `.`, space.
        where (str): File, item and field, for the message.

    Raises:
        DataError: It is something else.
    """
    if kind is not None and not (isinstance(kind, str) and re.fullmatch(r'[\w .+-]{1,40}', kind)):
        raise DataError(
            f'{where} should be a short label of letters and digits or absent, found '
            f'{printable(kind, 60) if isinstance(kind, str) else type(kind).__name__}. '
            'Correct or download the file again.'
        )


def sentence_items(records: list[dict]) -> list[dict]:
    """Make one item per (ref, sentence), with `expression, sent_id, kind` for `sentences`."""
    return [
        with_sentence(record, sentence) for record in records for sentence in record['sentences']
    ]


def with_sentence(record: dict, sentence: dict) -> dict:
    """Return the record with one sentence chosen."""
    item = {key: value for key, value in record.items() if key != 'sentences'}
    item.update(expression=sentence['raw'], sent_id=sentence['sent_id'], kind=sentence['kind'])
    return item


def blank_items(items: list[dict]) -> list[dict]:
    """Return the items with every expression empty (the `blank` control)."""
    return [{**item, 'expression': ''} for item in items]


def shuffle_within_images(items: list[dict]) -> tuple[list[dict], int]:
    """Give every item a sentence of another object of the same image (the `shuffled` control).

    Within an image the sentences are permuted deterministically: the items are ordered by
    annotation and the sentences rotated by the size of the largest group, so that none falls on
    its own annotation. Where one annotation has more items than all others together, its surplus
    items cannot get a foreign sentence and are left out.

    Args:
        items (list[dict]): Items with `img_id, ann_id, ref_id, expression, sent_id, kind`.

    Returns:
        tuple[list[dict], int]: The items (order kept) with the `expression, sent_id, kind` of
        another annotation, and how many items were left out.

    Source: our choice.
    """
    by_image: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for position, item in enumerate(items):
        by_image[item['img_id']][item['ann_id']].append(position)
    donors: dict[int, int] = {}
    for groups in by_image.values():
        largest = max(map(len, groups.values()))
        limit = min(largest, sum(map(len, groups.values())) - largest)
        order = [position for group in groups.values() for position in group[:limit]]
        if limit < largest:
            # Only one group can hold more than half of an image's items, and no other group
            # exceeds `limit`, so cutting to `limit` shortens that group alone.
            largest = limit
        for place, position in enumerate(order):
            donors[position] = order[(place + largest) % len(order)]
    shuffled = [
        {**items[position], **{key: items[donor][key] for key in ('expression', 'sent_id', 'kind')}}
        for position, donor in sorted(donors.items())
    ]
    return shuffled, len(items) - len(shuffled)
