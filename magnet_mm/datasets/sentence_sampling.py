# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Which sentence an item gets: drawn per epoch, every one, or a control (shuffled, blank)."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

EXPRESSIONS = ('own', 'shuffled', 'blank')


def draw_sentence(count: int, seed: int, epoch: int, item: int, position: int | None = None) -> int:
    """Draw the position of a sentence, uniformly, as a function of its arguments alone.

    Args:
        count (int): Number of sentences of the item.
        seed (int): The sampler's seed, >= 0.
        epoch (int): The epoch, >= 0.
        item (int): The item's index in its dataset, >= 0.
        position (int, optional): The index in the outermost dataset, where it is another one
            (a copy of the item, or a later part of several datasets): copies draw apart.

    Returns:
        int: 0 <= position < count.

    Source: docs/train_and_evaluate.md, "The protocol": drawn in every epoch; the
    generator is our choice.
    """
    entropy = (seed, epoch, item) if position in (None, item) else (seed, epoch, item, position + 1)
    return int(np.random.default_rng(entropy).integers(count))


def sentence_items(records: list[dict]) -> list[dict]:
    """Make one item per (ref, sentence), with `expression, sent_id, kind` for `sentences`."""
    return [
        with_sentence(record, sentence) for record in records for sentence in record['sentences']
    ]


def with_sentence(record: dict, sentence: dict) -> dict:
    """Return the record with one sentence chosen; one that means nothing has an empty mask."""
    item = {key: value for key, value in record.items() if key != 'sentences'}
    item.update(expression=sentence['raw'], sent_id=sentence['sent_id'], kind=sentence['kind'])
    if sentence.get('no_target'):
        item.update(no_target=True, segmentations=[])
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
