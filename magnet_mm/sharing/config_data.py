# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A config as data: what JSON can hold, with every ``type`` a registered component's name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from magnet_mm.errors import ConfigError
from magnet_mm.sharing.registered_types import registered_name

#: In place of the folder that a file of the config lies in.
FOLDER = 'folder://'
_TUPLE = 'tuple'


def to_data(value: Any, folder: Path, place: str = 'config') -> Any:
    """Turn a config's values into what JSON holds.

    Tuples become ``{"tuple": [...]}``, classes their registered names, paths in ``folder`` begin
    with ``folder://``.

    Raises:
        ConfigError: A value has no counterpart; the message says where it stands.
    """
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value) or set(value) == {_TUPLE}:
            raise ConfigError(
                f'{place} has the keys {list(value)}; data has strings, not {_TUPLE}.'
            )
        return {key: to_data(part, folder, f'{place}.{key}') for key, part in value.items()}
    if isinstance(value, list | tuple):
        parts = [to_data(part, folder, f'{place}[{index}]') for index, part in enumerate(value)]
        return {_TUPLE: parts} if isinstance(value, tuple) else parts
    if isinstance(value, type):
        return registered_name(value, place)
    if isinstance(value, str) and Path(value).is_relative_to(folder):
        return FOLDER + Path(value).relative_to(folder).as_posix()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ConfigError(f'{place} is a {type(value).__name__}, which JSON cannot hold.')


def from_data(value: Any, folder: Path) -> Any:
    """Return the values that :func:`to_data` was given, with this folder in the paths.

    Raises:
        ConfigError: A path leads out of the folder.
    """
    if isinstance(value, dict):
        parts = {key: from_data(part, folder) for key, part in value.items()}
        return tuple(parts[_TUPLE]) if set(parts) == {_TUPLE} else parts
    if isinstance(value, list):
        return [from_data(part, folder) for part in value]
    if isinstance(value, str) and value.startswith(FOLDER):
        relative = Path(value.removeprefix(FOLDER))
        if relative.is_absolute() or '..' in relative.parts:
            raise ConfigError(f'{folder}: {value} leads out of the folder.')
        return str(folder / relative)
    return value
