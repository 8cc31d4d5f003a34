# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Keeps the image files that an annotation file names inside the image directory."""

from __future__ import annotations

import functools
import os
from pathlib import PurePosixPath, PureWindowsPath

from magnet_mm.errors import DataError
from magnet_mm.text_safety import printable, printable_message


def check_file_name(file_name: str, where: str) -> None:
    """Check that a name in an annotation file stays below the directory it is joined to.

    Args:
        file_name (str): `images[].file_name`; subdirectories are allowed.
        where (str): File and image, for the message.

    Raises:
        DataError: It is empty or absolute (POSIX or Windows), has a `..`, is a URL, or holds
            control characters.
    """
    parts = file_name.replace('\\', '/').split('/')
    if (
        not file_name.strip()
        or '..' in parts
        or '://' in file_name
        or PurePosixPath(file_name).is_absolute()
        or PureWindowsPath(file_name).anchor
        or printable_message(file_name) != file_name
    ):
        raise DataError(
            f'{where}: the file name "{printable(file_name, 200)}" does not name a file inside the '
            'image directory (it is empty, absolute, a URL, or has ".." or control characters). '
            'The annotation file may be malicious; correct it or get it from a source you trust.'
        )


def check_inside(path: str, directory: str, where: str) -> None:
    """Check that a local file lies inside a directory once symbolic links are followed.

    The directory itself may be a link. Paths of other storage (`s3://...`) have no links.

    Args:
        path (str): The image file.
        directory (str): The image directory that the config names.
        where (str): Sample, for the message.

    Raises:
        DataError: The path leads out of the directory.
    """
    if '://' in path or '://' in directory:
        return
    root = _real_directory(directory or os.curdir)
    target = os.path.realpath(path)
    if os.path.commonpath([root, target]) != root:
        raise DataError(
            f'{where}: {printable(path)} leads out of the image directory, to {printable(target)}, '
            f'while {printable(root)} was configured. If your images are links into a store on '
            'purpose (DVC, git-annex), set allow_links_outside=True of LoadReferringImage in the '
            'pipeline; else do not use these files.'
        )


@functools.lru_cache(maxsize=16)
def _real_directory(directory: str) -> str:
    """Return the directory with its links followed, looked up once: every image asks for it."""
    return os.path.realpath(directory)
