# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Groups of items by length, size and position words."""

from __future__ import annotations

import pytest

from magnet_mm.analysis import item_groups as groups


@pytest.mark.parametrize(
    ('expression', 'expected'),
    [
        ('', '0 (blank)'),
        ('  ', '0 (blank)'),
        ('red', '1'),
        ('the  red\tball', '3'),
        ('a b c d e f', '6 to 7'),
        ('a b c d e f g', '6 to 7'),
        ('a b c d e f g h', '8 to 10'),
        (' '.join('abcdefghijk'), '11 or more'),
    ],
)
def test_length_group(expression, expected):
    assert groups.length_group(expression) == expected
    assert expected in groups.LENGTH_ORDER


@pytest.mark.parametrize(
    ('share', 'expected'),
    [(0, 'below 1'), (0.01, '1 to 2'), (0.0999, '5 to 10'), (0.1, '10 to 20'), (1, '40 or more')],
)
def test_size_group(share, expected):
    assert groups.size_group(share) == expected
    assert expected in groups.SIZE_ORDER


@pytest.mark.parametrize(
    ('expression', 'expected'),
    [
        ('man on the LEFT', ['left']),
        ('leftover pizza on the bright plate', ['none of these']),
        ('leftmost cup below the upper shelf', ['left', 'top', 'below']),
        ('the one closest to the edge', ['corner, side, edge', 'next to, near']),
        ('second from the right', ['right', 'counted']),
        ('', ['none of these']),
    ],
)
def test_position_groups(expression, expected):
    assert groups.position_groups(expression) == expected


def test_group_indices_keeps_the_order_asked_for():
    items = [dict(k=name) for name in ('b', 'x', 'a', None, 'b')]
    found = groups.group_indices(items, lambda item: item['k'], ('b', 'c', 'a'))
    assert list(found.items()) == [('b', [0, 4]), ('a', [2]), ('x', [1])]
    several = groups.group_indices(items[:2], lambda item: [item['k'], 'all'])
    assert several == {'all': [0, 1], 'b': [0], 'x': [1]}
