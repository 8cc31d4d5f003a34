# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Which data set and division a file belongs to: by the names on its way, innermost first."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from magnet_mm.errors import DataError

_BASE = 'ref[-_]?coco'
_END = '(?![a-z])'
#: What names contain, in the order of trying; the data set's folder.
PATTERNS = tuple(
    (re.compile('(?<![a-z])' + pattern), name)
    for pattern, name in (
        (f'g[-_]?{_BASE}{_END}', 'grefcoco'),
        (f'r[-_]?{_BASE}[-_]?g{_END}', 'rrefcocog'),
        (rf'r[-_]?{_BASE}[-_]?(\+|plus|p{_END})', 'rrefcoco+'),
        (f'r[-_]?{_BASE}{_END}', 'rrefcoco'),
        (f'{_BASE}[-_]?m{_END}', 'refcoco-m'),
        (f'{_BASE}[-_]?g{_END}', 'refcocog'),
        (rf'{_BASE}[-_]?(\+|plus|p{_END})', 'refcoco+'),
        (f'{_BASE}{_END}', 'refcoco'),
        (f'rrsis[-_]?d{_END}', 'rrsisd'),
        (f'ref[-_]?zom{_END}', 'ref-zom'),
        ('refclef|referit' + _END, 'refclef'),
    )
)
DATASETS = tuple(name for _, name in PATTERNS)
ROBUST = ('rrefcoco', 'rrefcoco+', 'rrefcocog')
_DIVISION = re.compile(r'(?<![a-z])(unc|umd|google|berkeley|final)(?![a-z])')
_LOCATION = re.compile(r'\b(left|right|leftmost|rightmost)\b')


def dataset_of(parts: Iterable[str]) -> str | None:
    """Return the data set that the innermost telling name states, or None."""
    for part in parts:
        for pattern, name in PATTERNS:
            if pattern.search(part.lower()):
                return name
    return None


def division_of(parts: Iterable[str]) -> str | None:
    """Return the division (who split the data) that the innermost telling name states, or None."""
    for part in parts:
        found = _DIVISION.search(part.lower())
        if found:
            return found[1]
    return None


def usual_division(dataset: str, splits: Collection[str]) -> str:
    """Return the division that splits of these names have, where no file says it."""
    if dataset == 'ref-zom':
        return 'final'
    if dataset == 'refcocog':
        return 'umd'
    return 'google' if dataset == 'refcoco' and 'test' in splits else 'unc'


def dataset_by_content(refs: Iterable[dict], where: str) -> str:
    """Tell RefCOCO, RefCOCO+ and G-Ref apart by their splits and words.

    G-Ref has a split `test`; RefCOCO+ allowed no words of location (docs/data.md).

    Raises:
        DataError: Neither tells.
    """
    refs = list(refs)
    if any(ref['split'] == 'test' for ref in refs):
        return 'refcocog'
    texts = [said.get('raw') or said.get('sent', '') for ref in refs for said in ref['sentences']]
    if any(_LOCATION.search(text.lower()) for text in texts):
        return 'refcoco'
    raise DataError(
        f'{where}: nothing tells which data set this is: no name on its path, no split "test" (as '
        'G-Ref has), no word of location (as RefCOCO has and RefCOCO+ has not). Say it by '
        '--dataset refcoco, refcoco+ or refcocog.'
    )
