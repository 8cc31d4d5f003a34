# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Reads possibly half-downloaded files and says in words what they are instead."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from magnet_mm.datasets.annotations.refer_pickle import load_plain_pickle
from magnet_mm.errors import DataError

#: First bytes of files that downloads often bring instead of the wanted one.
_DISGUISES = (
    (b'PK\x03\x04', 'a zip archive', 'Unpack it and put the file in it here.'),
    (b'\x1f\x8b', 'a gzip archive', 'Unpack it and put the file in it here.'),
    (
        b'version https://git-lfs',
        'a git-lfs pointer, not the file itself',
        'Run `git lfs pull` where it came from, and copy the file again.',
    ),
    (
        b'<',
        'a web page, perhaps an error page of the download server',
        'Open it in a browser to see what it says, and download the file again.',
    ),
)
#: Archives whose members are larger than this in all are not read through (bytes; our choice).
READ_THROUGH = 2 << 30


def disguise(path: Path) -> str | None:
    """Say what a file that cannot be parsed is instead, with advice; None if unclear."""
    with path.open('rb') as file:
        start = file.read(64)
    if not start.strip(b'\0'):
        kind = 'empty' if not start else 'filled with zeros'
        return f'the file is {kind}: the download did not finish. Download it again.'
    for magic, what, advice in _DISGUISES:
        if start.lstrip().startswith(magic):
            return f'this is {what}. {advice}'
    return None


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: It cannot be read or parsed; the message says what it is instead.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f'the file cannot be read ({error}). Check its permissions.') from error
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        found = disguise(path)
        if found is None:
            position = getattr(error, 'pos', None)
            cut = position is not None and len(data) - position < 100
            found = (
                f'the JSON breaks off after {len(data):,} bytes: the download did not finish. '
                'Download it again.'
                if cut or not data.rstrip().endswith((b'}', b']'))
                else f'not valid JSON ({error}). Download it again.'
            )
        raise DataError(found) from error


def read_pickle(path: Path) -> Any:
    """Read a refs pickle, running nothing from it (see `refer_pickle`).

    Raises:
        DataError: It is damaged, is something else, or names a Python object.
    """
    try:
        return load_plain_pickle(str(path))
    except DataError as error:
        found = disguise(path) if path.is_file() else None
        if found is not None:
            raise DataError(found) from error
        raise DataError(str(error).removeprefix(f'{path}: ')) from error


def check_zip(path: Path) -> str | None:
    """Return what is wrong with a zip archive, or None.

    The members are read through for their checksums where they take up to 2 GiB unpacked; nothing
    is written.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
            damaged = archive.testzip() if size <= READ_THROUGH else None
    except (zipfile.BadZipFile, EOFError) as error:
        return disguise_of_zip(path) or f'the archive cannot be read ({error}).'
    except Exception as error:  # unreadable, encrypted, damaged members: many libraries' errors
        return f'the archive cannot be read ({type(error).__name__}: {error}).'
    return f'its member {damaged} is damaged.' if damaged else None


def disguise_of_zip(path: Path) -> str | None:
    """Say what a file that is no complete zip archive is: a truncated one or something else."""
    with path.open('rb') as file:
        start = file.read(4)
    if start == b'PK\x03\x04':
        return f'the archive breaks off after {path.stat().st_size:,} bytes.'
    return disguise(path)
