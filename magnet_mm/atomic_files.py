# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Files that appear complete or not at all, whenever the process or the machine stops."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

UNFINISHED = '.unfinished'
"""Suffix of what is being written, in the folder of what it will become."""


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` beside ``path``, force it to disk, then give it its name.

    Until the last step a file of that name stays as it was; afterwards the new one is on disk,
    its name too (the folder is synchronised).

    Raises:
        OSError: For instance because the disk is full; then ``path`` is untouched and nothing of
            the new file remains.
    """
    with replacing(path) as unfinished, open(unfinished, 'wb') as file:
        file.write(data)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], folder: bool = False) -> Iterator[Path]:
    """Give a free name beside ``path`` to write to; what stands there takes its place at the end.

    Where the block raises, nothing of it remains and ``path`` is untouched.

    Args:
        path: The file to become; its folder is made.
        folder: Whether a folder is written, which is there (empty) when the block begins. ``path``
            must not exist then, or be empty. Files in it are not forced to disk one by one.

    Yields:
        The unfinished file or folder; no other process writes to it.
    """
    with unfinished_beside(path, folder) as unfinished:
        yield unfinished
        publish(unfinished, path)


@contextlib.contextmanager
def unfinished_beside(path: str | os.PathLike[str], folder: bool = False) -> Iterator[Path]:
    """Make an empty file or folder of a free name beside ``path``; it is removed at the end.

    What killed processes left of the same ``path`` is removed too.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path.parent, path.name)
    unfinished = path.with_name(f'{path.name}.{secrets.token_hex(4)}{UNFINISHED}')
    if folder:
        unfinished.mkdir()
    else:
        unfinished.touch(exist_ok=False)
    held = os.open(unfinished, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # file systems without locks: nothing counts as left
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield unfinished
    finally:
        _remove(unfinished)
        os.close(held)


def publish(unfinished: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Force a finished file (or folder) to disk, give it its name, and force the name to disk."""
    _synchronise(unfinished)
    os.replace(unfinished, path)
    _synchronise(Path(path).parent)


def remove_abandoned(folder: str | os.PathLike[str], name: str = '') -> list[Path]:
    """Remove what processes that were killed while writing left in ``folder``.

    Args:
        folder: Where to look; unfinished files of processes that still write stay.
        name: Only what should have become this file; empty means all.

    Returns:
        What was removed.
    """
    removed = []
    for path in unfinished_files(folder):
        if (not name or path.name.startswith(f'{name}.')) and not _is_held(path):
            _remove(path)
            removed.append(path)
    return removed


def unfinished_files(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Unfinished files and folders in ``folder``, of living and of killed processes."""
    return Path(folder).glob(f'*{UNFINISHED}')


def _synchronise(path: str | os.PathLike[str]) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return True  # gone, or not ours
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
