# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Collects what is wrong with many items: the message names the first few and counts the rest."""

from __future__ import annotations

from magnet_mm.errors import DataError

SHOWN = 5


class Problems:
    """What is wrong, by kind.

    Args:
        subject: Beginning of the message, without a stop.
    """

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._found: dict[str, list[str]] = {}

    def add(self, kind: str, item: str) -> None:
        """Note an item with a problem of this kind."""
        self._found.setdefault(kind, []).append(item)

    def raise_if_any(self) -> None:
        """Raise if anything was noted.

        Raises:
            DataError: A line per kind: its number of items, the first :data:`SHOWN` of them.
        """
        if not self._found:
            return
        lines = []
        for kind, items in self._found.items():
            more = f'; and {len(items) - SHOWN:,} more' if len(items) > SHOWN else ''
            lines.append(f'  {len(items):,} {kind}: {"; ".join(items[:SHOWN])}{more}')
        raise DataError('\n'.join([f'{self.subject}:', *lines]))
