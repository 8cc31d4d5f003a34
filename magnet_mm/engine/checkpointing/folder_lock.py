# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""One training per folder: two would overwrite each other's checkpoints."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from pathlib import Path

from magnet_mm.errors import ConfigError

LOCK = '.training.lock'
"""File in the folder; it names the process that trains there. It may stay: the lock is not it."""

_held: dict[tuple[int, str], int] = {}  # (process, folder): descriptor; forks inherit no lock


def lock_folder(folder: str | os.PathLike[str]) -> None:
    """Take a folder for this process until :func:`unlock_folder` or its end, however it ends.

    The lock is the operating system's, on the file ``.training.lock``: a killed process leaves
    none behind. On a file system without locks nothing is locked.

    Raises:
        ConfigError: If another process holds it; the message says which.
    """
    folder = os.path.realpath(folder)
    if (os.getpid(), folder) in _held:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    path = os.path.join(folder, LOCK)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        # a record lock, because data loader workers do not inherit it
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        holder = Path(path).read_text(errors='replace').strip() or 'another process'
        os.close(descriptor)
        raise ConfigError(
            f'{folder} is the work dir of a training that is still running ({holder}); two in one '
            'folder would overwrite each other. Choose another --work-dir, or stop that one first.'
        ) from None
    except OSError:  # no locks on this file system
        os.close(descriptor)
        return
    started = time.strftime('%Y-%m-%d %H:%M:%S')
    os.ftruncate(descriptor, 0)
    os.pwrite(
        descriptor,
        f'process {os.getpid()} on {socket.gethostname()}, since {started}\n'.encode(),
        0,
    )
    _held[os.getpid(), folder] = descriptor


def unlock_folder(folder: str | os.PathLike[str]) -> None:
    """Let go of a folder; nothing happens where this process does not hold it."""
    descriptor = _held.pop((os.getpid(), os.path.realpath(folder)), None)
    if descriptor is not None:
        with contextlib.suppress(OSError):
            os.close(descriptor)
