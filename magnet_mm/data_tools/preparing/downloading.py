# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Downloads the files of a plain list (`downloads.json`), and goes on where it was interrupted."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from magnet_mm.data_tools.checking.files import check_zip
from magnet_mm.data_tools.preparing.source_files import sha256
from magnet_mm.errors import ConfigError, DataError

LIST = Path(__file__).with_name('downloads.json')
#: Seconds without an answer after which a host counts as gone (our choice).
TIMEOUT = 30
BLOCK = 1 << 20

Progress = Callable[[str, int, int | None], None]  # file, bytes there, bytes in all


def read_list(path: str | os.PathLike[str] = LIST) -> dict[str, dict[str, Any]]:
    """Read a list of downloads: `name`, `file`, `urls` (tried in turn), `licence`, `sha256`.

    Raises:
        ConfigError: It cannot be read, or an entry lacks a field.
    """
    try:
        entries = json.loads(Path(path).read_text(encoding='utf-8'))
        found = {entry['name']: entry for entry in entries}
        for entry in entries:
            plain = Path(entry['file']).name == entry['file'] and not entry['file'].startswith('.')
            known = all(url.startswith(('http://', 'https://')) for url in entry['urls'])
            if not plain or not known or not {'licence', 'sha256'} <= entry.keys():
                raise ConfigError(f'{path}: the entry {entry["name"]} is not usable.')
    except (OSError, ValueError, TypeError, KeyError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(
            f'{path}: no list of downloads ({type(error).__name__}: {error}).'
        ) from error
    return found


def download(
    names: Iterable[str],
    folder: str | os.PathLike[str],
    entries: dict[str, dict[str, Any]],
    progress: Progress = lambda *_: None,
) -> list[Path]:
    """Fetch files into a folder; what is there is not fetched again.

    A file that is not complete is `<file>.part`, and the next run goes on behind it.

    Args:
        names: Entries of the list.
        folder: Where the files go.
        entries: What :func:`read_list` returned.
        progress: Called with the file, the bytes that are there, and those of the whole or None.

    Returns:
        list[Path]: The files.

    Raises:
        ConfigError: The list does not have a name.
        DataError: No host has a file any more, or what came is not the file.
    """
    paths = []
    for name in names:
        if name not in entries:
            raise ConfigError(
                f'--download {name}: not in the list, which has {", ".join(entries)}.'
            )
        path = Path(folder) / entries[name]['file']
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _fetch(entries[name], path, progress)
        paths.append(path)
    return paths


def _fetch(entry: dict[str, Any], path: Path, progress: Progress) -> None:
    """Try the addresses in turn, check what came, and give it its name."""
    part, failures = path.with_name(f'{path.name}.part'), []
    for url in entry['urls']:
        try:
            _continue(url, part, path.name, progress)
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            failures.append(f'{url} ({_reason(error)})')
            continue
        problem = _problem(entry, part)
        if problem is None:
            os.replace(part, path)
            return
        os.replace(part, part.with_suffix('.wrong'))
        failures.append(f'{url} ({problem} What came is {part.with_suffix(".wrong")})')
    raise DataError(
        f'{path.name} could not be fetched: {"; ".join(failures)}. If the host is gone, look for '
        f'the file by its name elsewhere, put it at {path}, and run the command again; or take one '
        'of the other forms in docs/prepare_data.md. What was fetched of it is kept.'
    )


def _continue(url: str, part: Path, name: str, progress: Progress) -> None:
    """Append to an unfinished file what the host has behind it; from the start if it cannot."""
    there = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={'User-Agent': 'magnet_mm'})
    if there:
        request.add_header('Range', f'bytes={there}-')
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and _whole(error, there):
            return
        raise
    with answer:
        if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
            there = 0
        length = answer.headers.get('Content-Length')
        total = there + int(length) if length and length.isdecimal() else None
        with part.open('ab' if there else 'wb') as file:
            while block := answer.read(BLOCK):
                file.write(block)
                there += len(block)
                progress(name, there, total)
    if total is not None and there < total:
        raise ConnectionError(f'the connection broke off after {there:,} of {total:,} bytes')


def _whole(error: urllib.error.HTTPError, there: int) -> bool:
    """Whether a host has nothing behind what is there because that is all."""
    return error.headers.get('Content-Range', '') == f'bytes */{there}'


def _problem(entry: dict[str, Any], part: Path) -> str | None:
    """Say why a file is not the wanted one: by its SHA-256 if known; archives are read through."""
    if entry['sha256'] is not None and sha256(part) != entry['sha256']:
        return 'its SHA-256 is not the one in the list.'
    return check_zip(part) if entry['file'].endswith('.zip') else None


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f'HTTP {error.code} {error.reason}'
    return f'{type(error).__name__}: {error}'
