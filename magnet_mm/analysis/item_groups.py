# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Groups of test items that show where a model fails: length, object size, kind, position words.

The limits of the groups are our choice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from magnet_mm.evaluation.results_io import Item

LENGTHS = ((0, '0 (blank)'), (1, '1'), (2, '2'), (3, '3'), (4, '4'), (5, '5'), (7, '6 to 7'),
           (10, '8 to 10'))  # fmt: skip
LONGEST = '11 or more'
SIZES = ((0.01, 'below 1'), (0.02, '1 to 2'), (0.05, '2 to 5'), (0.1, '5 to 10'),
         (0.2, '10 to 20'), (0.4, '20 to 40'))  # fmt: skip
LARGEST = '40 or more'

POSITION_WORDS = {
    'left': r'left(most|hand)?|lefty',
    'right': r'right(most|hand)?|righty',
    'top': r'top(most)?|upper(most)?|highest',
    'bottom': r'bottom(most)?|lower(most)?|lowest',
    'middle': r'middle|cent(er|re)|central|mid',
    'corner, side, edge': r'corners?|sides?|edges?',
    'above': r'above|over|on top of',
    'below': r'below|under|underneath|beneath',
    'in front': r'front|foreground',
    'behind': r'behind|back|background',
    'next to, near': r'next to|besides?|adjacent|near(est|er|by)?|close(st|r)?( to)?',
    'far': r'far|furthest|farthest|distant',
    'between': r'between|in between',
    'counted': r'first|second|third|fourth|fifth|1st|2nd|3rd|4th|5th|last',
}
"""Name of the group to the words it stands for (a pattern of whole words, any case)."""
NO_POSITION = 'none of these'

_PATTERNS = {
    name: re.compile(rf'\b(?:{words})\b', re.IGNORECASE) for name, words in POSITION_WORDS.items()
}

LENGTH_ORDER = (*(name for _, name in LENGTHS), LONGEST)
SIZE_ORDER = (*(name for _, name in SIZES), LARGEST)
POSITION_ORDER = (*POSITION_WORDS, NO_POSITION)


def length_group(expression: str) -> str:
    """Group of a sentence by its number of words (separated by blanks)."""
    words = len(expression.split())
    return next((name for most, name in LENGTHS if words <= most), LONGEST)


def size_group(share: float) -> str:
    """Group of an object by the share of the image it covers, 0 to 1; names are in percent."""
    return next((name for below, name in SIZES if share < below), LARGEST)


def position_groups(expression: str) -> list[str]:
    """All groups of position words that a sentence contains; ``[NO_POSITION]`` for none."""
    return [n for n, pattern in _PATTERNS.items() if pattern.search(expression)] or [NO_POSITION]


def group_indices(
    items: Sequence[Item],
    groups_of: Callable[[Item], str | Iterable[str] | None],
    order: Sequence[str] = (),
) -> dict[str, list[int]]:
    """Positions of the items in each group.

    Args:
        items: The items.
        groups_of: Group of an item, or several, or None for no group.
        order: Names in the order wanted; others follow alphabetically.

    Returns:
        Non-empty groups in order.
    """
    found: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        groups = groups_of(item)
        for group in [groups] if isinstance(groups, str) else groups or []:
            found.setdefault(group, []).append(index)
    names = [name for name in order if name in found]
    return {name: found[name] for name in names + sorted(set(found) - set(names))}
