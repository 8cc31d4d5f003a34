# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The files of what a user gave: on disk, or inside zip archives, which are never unpacked."""

from __future__ import annotations

import functools
import hashlib
import os
import posixpath
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from magnet_mm.data_tools.checking.files import disguise_of_zip
from magnet_mm.errors import DataError

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.tif', '.tiff', '.webp', '.bmp', '.gif')
#: Larger members of an archive are taken for a bomb (bytes; our choice).
MAX_MEMBER = 8 << 30


@dataclass(frozen=True)
class SourceFile:
    """A file on disk, or the ``member`` of the zip archive ``path``."""

    path: Path
    member: str | None = None

    def __str__(self) -> str:
        """Name it for messages."""
        return str(self.path) if self.member is None else f'{self.path}: {self.member}'

    @property
    def name(self) -> str:
        """Its own name, without folders."""
        return self.path.name if self.member is None else posixpath.basename(self.member)

    @property
    def folder(self) -> tuple[Path, str | None]:
        """Where it lies; files of one folder have the same."""
        if self.member is None:
            return self.path.parent, None
        return self.path, posixpath.dirname(self.member)

    @property
    def parts(self) -> list[str]:
        """Every name on the way to it, its own first."""
        inside = [] if self.member is None else self.member.split('/')[::-1]
        return [part for part in inside if part] + list(self.path.parts[::-1])

    def read(self, size: int | None = None) -> bytes:
        """Return its first ``size`` bytes, or all.

        Raises:
            DataError: It cannot be read, is encrypted or damaged, or is absurdly large.
        """
        try:
            if self.member is None:
                with self.path.open('rb') as file:
                    return file.read(-1 if size is None else size)
            archive = _archive(self.path, *_state(self.path))
            if size is None and archive.getinfo(self.member).file_size > MAX_MEMBER:
                raise DataError(f'{self}: larger than {MAX_MEMBER >> 30} GiB, no annotation file.')
            with archive.open(self.member) as file:
                return file.read(-1 if size is None else size)
        except DataError:
            raise
        except Exception as error:  # zipfile raises many kinds on damaged or encrypted members
            raise DataError(
                f'{self}: cannot be read ({type(error).__name__}: {error}). Get the file again.'
            ) from error

    def beside(self, name: str) -> SourceFile | None:
        """Return the file of a name in the same folder (or a folder below it), if there is one."""
        if self.member is None:
            path = self.path.parent / name
            return SourceFile(path) if path.is_file() else None
        member = posixpath.join(posixpath.dirname(self.member), name)
        names = _archive(self.path, *_state(self.path)).NameToInfo
        return SourceFile(self.path, member) if member in names else None


def list_files(source: str | os.PathLike[str]) -> Iterator[SourceFile]:
    """Return the files of a source that are no images: a file, or those of a folder or archive.

    Raises:
        DataError: The source does not exist, or an archive is damaged.
    """
    path = Path(source).expanduser()
    if path.is_file():
        yield from _expand(path)
        return
    if not path.is_dir():
        raise DataError(f'{path} does not exist. Give files, folders or zip archives.')
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(one for one in folders if _wanted(one))
        for name in sorted(names):
            if _wanted(name):
                yield from _expand(Path(folder, name))


def _check_member(member: str, path: Path) -> None:
    """Refuse an archive with a name that leads out of it; nothing is unpacked in any case.

    Raises:
        DataError: The name is absolute or has a "..".
    """
    parts = member.replace('\\', '/').split('/')
    if '..' in parts or not parts[0] or ':' in parts[0]:
        raise DataError(
            f'{path}: its member {member} leads out of the archive, which may be malicious. Get it '
            'from a source you trust.'
        )


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _expand(path: Path) -> Iterator[SourceFile]:
    if path.suffix.lower() != '.zip' and not zipfile.is_zipfile(path):
        yield SourceFile(path)
        return
    for member in sorted(_archive(path, *_state(path)).namelist()):
        _check_member(member, path)
        if not member.endswith('/') and all(map(_wanted, member.split('/'))):
            yield SourceFile(path, member)


def _wanted(name: str) -> bool:
    hidden = name.startswith('.') or name == '__MACOSX'
    return not hidden and not name.lower().endswith(IMAGE_SUFFIXES)


def _state(path: Path) -> Sequence[int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


@functools.lru_cache(maxsize=8)
def _archive(path: Path, *state: int) -> zipfile.ZipFile:
    """Open an archive once while it stays as it is."""
    try:
        return zipfile.ZipFile(path)
    except Exception as error:  # truncated, or no archive at all
        found = disguise_of_zip(path) or f'the archive cannot be read ({error}).'
        raise DataError(f'{path}: {found} Get the file again.') from error
