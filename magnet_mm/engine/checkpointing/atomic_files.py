# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Files that appear complete or not at all, whenever the process or the machine stops."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.fileio import LocalBackend, register_backend

from magnet_mm.errors import CheckpointError

UNFINISHED = '.unfinished'
"""Suffix of a file that is being written, in the folder of the file that it will become."""

BACKEND = 'magnet_mm_atomic'
"""Name of :class:`AtomicLocalBackend` for ``backend_args=dict(backend=...)``."""


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` beside ``path``, force it to disk, then give it its name.

    Until the last step a file of that name stays as it was; afterwards the new one is on disk,
    its name too (the folder is synchronised).

    Raises:
        OSError: For instance because the disk is full; then ``path`` is untouched and nothing of
            the new file remains.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        with open(unfinished, 'wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise
    synchronise_folder(path.parent)


def synchronise_folder(folder: str | os.PathLike[str]) -> None:
    """Force the names in a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unfinished_files(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Files that a process which was killed while writing left in ``folder``."""
    return Path(folder).glob(f'*{UNFINISHED}')


@register_backend(BACKEND, force=True)
class AtomicLocalBackend(LocalBackend):
    """mmengine's local files, written by :func:`write_atomically`."""

    def put(self, obj: bytes, filepath: str | os.PathLike[str]) -> None:
        """Write the bytes of a checkpoint.

        Raises:
            CheckpointError: If the file cannot be written; the older files are untouched.
        """
        try:
            write_atomically(filepath, obj)
        except OSError as error:
            raise CheckpointError(
                f'{filepath} ({len(obj):,} bytes) could not be written: {error}. The checkpoints '
                'written before are untouched. Make room (one checkpoint more than are kept) and '
                'go on with --resume.'
            ) from error

    def put_text(self, obj: str, filepath: Any, encoding: str = 'utf-8') -> None:
        """Write text; see :meth:`put`."""
        self.put(obj.encode(encoding), filepath)
