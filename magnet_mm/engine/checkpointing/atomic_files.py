# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""mmengine's file backend for local folders, with files that appear complete or not at all."""

from __future__ import annotations

import errno
import os
from typing import Any

from mmengine.fileio import LocalBackend, register_backend

from magnet_mm.atomic_files import write_atomically
from magnet_mm.errors import CheckpointError

BACKEND = 'magnet_mm_atomic'
"""Name of :class:`AtomicLocalBackend` for ``backend_args=dict(backend=...)``."""

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@register_backend(BACKEND, force=True)
class AtomicLocalBackend(LocalBackend):
    """mmengine's local files, written by :func:`magnet_mm.atomic_files.write_atomically`."""

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
                f'written before are untouched. {advice(error)} and go on with --resume.'
            ) from error

    def put_text(self, obj: str, filepath: Any, encoding: str = 'utf-8') -> None:
        """Write text; see :meth:`put`."""
        self.put(obj.encode(encoding), filepath)


def advice(error: OSError) -> str:
    """Say what to do about a file that could not be written; the beginning of a sentence."""
    if error.errno in _NO_ROOM:
        return 'Make room (one checkpoint more than are kept)'
    if error.errno in _FORBIDDEN:
        return 'Make the folder writable for this user, or choose another --work-dir,'
    if error.errno in (errno.ENOENT, errno.ESTALE):
        return 'Find out who removed or moved the folder while the training ran'
    return 'Look whether the disk or the network drive is sound'
