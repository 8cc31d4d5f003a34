# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Sentence draws and the two controls."""

from collections import Counter

import numpy as np
import pytest

from magnet_mm.datasets.sentence_sampling import (
    blank_items,
    draw_sentence,
    sentence_items,
    shuffle_within_images,
)


def _items(*objects: tuple[int, int]) -> list[dict]:
    """Items of (image, annotation); the sentence names its annotation."""
    return [
        dict(
            img_id=image,
            ann_id=ann,
            ref_id=place,
            expression=f'{ann}/{place}',
            sent_id=place,
            kind=f'kind{ann}',
        )
        for place, (image, ann) in enumerate(objects)
    ]


def test_draw_is_a_function_of_its_arguments_and_uniform():
    draws = [draw_sentence(3, 5, epoch, 7) for epoch in range(3000)]
    np.random.seed(1)  # global state plays no part
    assert draws == [draw_sentence(3, 5, epoch, 7) for epoch in range(3000)]
    counts = Counter(draws)
    assert set(counts) == {0, 1, 2}
    assert all(abs(count - 1000) < 5 * np.sqrt(3000 * 2 / 9) for count in counts.values())
    assert draws != [draw_sentence(3, 6, epoch, 7) for epoch in range(3000)]
    assert draws != [draw_sentence(3, 5, epoch, 8) for epoch in range(3000)]


def test_sentence_items_and_blank():
    sentences = [dict(raw='a ', sent_id=4, kind='place'), dict(raw='b', sent_id=5, kind=None)]
    items = sentence_items([dict(ref_id=1, sentences=sentences), dict(ref_id=2, sentences=[])])
    assert items == [
        dict(ref_id=1, expression='a ', sent_id=4, kind='place'),
        dict(ref_id=1, expression='b', sent_id=5, kind=None),
    ]
    assert [item['expression'] for item in blank_items(items)] == ['', '']
    assert [item['sent_id'] for item in blank_items(items)] == [4, 5]


@pytest.mark.parametrize(
    ('objects', 'left_out'),
    [
        ([(1, 10), (1, 11)], 0),
        ([(1, 10), (1, 11), (1, 10), (1, 11), (2, 20), (2, 21), (2, 22)], 0),
        ([(1, 10), (1, 10), (1, 11), (1, 12)], 0),
        ([(1, 10), (1, 10), (1, 11), (1, 12), (1, 12), (1, 12)], 0),
        ([(1, 10), (1, 10), (1, 10), (1, 11)], 2),  # one foreign sentence: one pair remains
        ([(1, 10), (1, 10), (2, 20), (2, 21)], 2),  # image 1 has a single object
        ([(1, 10)], 1),
    ],
)
def test_shuffled_sentences_belong_to_another_object_of_the_image(objects, left_out):
    items = _items(*objects)
    shuffled, count = shuffle_within_images(items)
    assert count == left_out == len(items) - len(shuffled)
    assert [item['ref_id'] for item in shuffled] == sorted(item['ref_id'] for item in shuffled)
    for item in shuffled:
        donor = items[item['sent_id']]
        assert donor['ann_id'] != item['ann_id'] and donor['img_id'] == item['img_id']
        assert item['expression'] == donor['expression'] and item['kind'] == donor['kind']
        assert item['ann_id'] == items[item['ref_id']]['ann_id']  # the object stays
    # a permutation: no sentence is used twice, and those used are those of the kept items
    assert sorted(item['sent_id'] for item in shuffled) == [item['ref_id'] for item in shuffled]


def test_shuffling_random_images_leaves_out_only_what_must_be():
    rng = np.random.default_rng(0)
    items = _items(*[(int(rng.integers(200)), int(rng.integers(3))) for _ in range(1000)])
    shuffled, left_out = shuffle_within_images(items)
    expected = 0
    for image in {item['img_id'] for item in items}:
        groups = Counter(item['ann_id'] for item in items if item['img_id'] == image)
        expected += max(0, 2 * max(groups.values()) - sum(groups.values()))
    assert left_out == expected > 0
    assert all(items[item['sent_id']]['ann_id'] != item['ann_id'] for item in shuffled)
    assert len({item['sent_id'] for item in shuffled}) == len(shuffled)
