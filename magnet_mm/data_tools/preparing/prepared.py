# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What a converter hands over: the files of one data set, and what was left out of them."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magnet_mm.data_tools.checking.findings import EXAMPLES


class Dropped:
    """Count what was left out, by reason, with a few examples."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], dict[str, Any]] = {}

    def add(self, what: str, why: str, example: str) -> None:
        """Count one ``what`` (plural) that was left out."""
        empty = {'what': what, 'why': why, 'count': 0, 'examples': []}
        entry = self._entries.setdefault((what, why), empty)
        entry['count'] += 1
        if len(entry['examples']) < EXAMPLES:
            entry['examples'].append(example)

    def to_list(self) -> list[dict[str, Any]]:
        """Return ``{what, why, count, examples}`` of every reason."""
        return list(self._entries.values())


@dataclass
class Prepared:
    """One data set, ready to be written.

    Attributes:
        dataset: Its folder in the data root.
        what: What it was made of, in words.
        sources: The files that it was read from.
        contents: Yields the name and the content of every file, relative to the folder.
        dropped: What was left out; complete once ``contents`` ran through.
        notes: What the user should know or do, as sentences.
    """

    dataset: str
    what: str
    sources: list[Path]
    contents: Callable[[], Iterator[tuple[str, bytes]]]
    dropped: Dropped = field(default_factory=Dropped)
    notes: list[str] = field(default_factory=list)


def refs_bytes(refs: list[dict]) -> bytes:
    """Return the pickle of refs as `refer` reads it."""
    return pickle.dumps(refs, protocol=2)


def json_bytes(content: Any) -> bytes:
    """Return JSON text in UTF-8."""
    return json.dumps(content).encode()
