# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Reads large JSON files of lists and keeps only the entries that are wanted.

RefCOCO's ``instances.json`` describes 200,000 objects, and a split needs a few thousand of them:
``json.loads`` would hold all of them as Python objects first, more than a gigabyte.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

_DECODER = json.JSONDecoder()


def load_filtered(data: bytes, wanted: Mapping[str, Callable[[Any], bool]]) -> Any:
    """Parse JSON as ``json.loads`` does, without the unwanted entries of some lists.

    Args:
        data (bytes): The content of the file.
        wanted: By key of the outermost object, which entries of its list are kept.

    Raises:
        ValueError: It is not valid JSON.
    """
    text = data.decode(json.detect_encoding(data), 'surrogatepass')
    place = _skip(text, 0)
    if not text.startswith('{', place):
        return json.loads(text)
    result: dict[str, Any] = {}
    place = _skip(text, place + 1)
    more = not text.startswith('}', place)
    if not more:
        place = _skip(text, place + 1)
    while more:
        key, place = _DECODER.raw_decode(text, place)
        if not isinstance(key, str):
            raise json.JSONDecodeError('Expecting property name enclosed in quotes', text, place)
        _, place = _mark(text, place, ':')
        if key in wanted and text.startswith('[', place):
            result[key], place = _entries(text, place + 1, wanted[key])
        else:
            result[key], place = _DECODER.raw_decode(text, place)
        more, place = _mark(text, place, ',}')
    if place != len(text):
        raise json.JSONDecodeError('Extra data', text, place)
    return result


def _entries(text: str, place: int, keep: Callable[[Any], bool]) -> tuple[list, int]:
    """Entries of a list whose bracket was read, and where the text goes on."""
    found: list = []
    place = _skip(text, place)
    if text.startswith(']', place):
        return found, place + 1
    more = True
    while more:
        entry, place = _DECODER.raw_decode(text, place)
        if keep(entry):
            found.append(entry)
        more, place = _mark(text, place, ',]')
    return found, place


def _mark(text: str, place: int, marks: str) -> tuple[bool, int]:
    """Whether the first of the marks comes next, and where the text goes on behind it."""
    place = _skip(text, place)
    if not text[place : place + 1] or text[place] not in marks:
        raise json.JSONDecodeError(f'Expecting one of {" ".join(marks)}', text, place)
    return text[place] == marks[0], _skip(text, place + 1)


def _skip(text: str, place: int) -> int:
    return json.decoder.WHITESPACE.match(text, place).end()
