# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Checks of fields that all annotation formats share."""

from __future__ import annotations

import re
from typing import Any

from magnet_mm.errors import DataError
from magnet_mm.text_safety import printable

_MAX_INT = 2**63 - 1


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


def check_fields(value: Any, fields: dict[str, type], where: str) -> None:
    """Check that `value` is a dict with the named fields of the named types."""
    if not isinstance(value, dict):
        raise DataError(f'{where} is no dict but {type(value).__name__}. Check the file.')
    for name, kind in fields.items():
        found = value.get(name)
        if type(found) is not kind or (kind is int and not -_MAX_INT <= found <= _MAX_INT):
            what = 'nothing' if name not in value else type(found).__name__
            if type(found) is int and kind is int:
                what = 'one that 64 bits cannot hold'
            raise DataError(
                f'{where}: field "{name}" must be {kind.__name__}, found {what}. '
                'Correct or download the file again.'
            )
