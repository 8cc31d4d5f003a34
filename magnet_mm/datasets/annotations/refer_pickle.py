# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Reads the `refs(<split_by>).p` files of the RefCOCO family without running anything from them.

These pickles (protocol 0 or 2, written by Python 2) hold only lists, dicts, tuples, strings,
numbers, booleans and None. Whatever else a file contains is refused twice: an opcode that looks up,
calls or fills an object stops it before unpickling begins (`pickle_opcodes`), and the unpickler
itself resolves no global (`os.system`, `builtins.eval`, ...) and no persistent id.
"""

from __future__ import annotations

import codecs
import contextlib
import gc
import io
import pickle
from collections.abc import Iterator
from typing import Any

from mmengine import fileio

from magnet_mm.datasets.annotations.pickle_opcodes import find_forbidden_opcode
from magnet_mm.errors import DataError
from magnet_mm.text_safety import printable

_LATIN1_FALLBACK = 'magnet_mm.latin1'


def _decode_bad_bytes_as_latin1(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: the bytes that are not UTF-8 are read as Latin-1."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode('latin-1'), error.end


codecs.register_error(_LATIN1_FALLBACK, _decode_bad_bytes_as_latin1)


class _PlainUnpickler(pickle.Unpickler):
    """An unpickler that builds plain builtin values only and refuses every global."""

    def __init__(self, data: bytes, path: str) -> None:
        super().__init__(io.BytesIO(data), encoding='utf-8', errors=_LATIN1_FALLBACK)
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        raise _refusal(self._path, f'the Python object "{module}.{name}"')

    def persistent_load(self, pid: Any) -> Any:
        raise _refusal(self._path, 'a persistent id')


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Nothing becomes garbage while a file is read, and searching for it takes most of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _refusal(path: str, found: str) -> DataError:
    return DataError(
        f'{printable(path)}: the pickle holds {printable(found)}. A refs file has only lists, '
        'dicts, strings and numbers, so this file may be malicious; nothing of it was run. Delete '
        'it and get the file from a source you trust.'
    )


def load_plain_pickle(path: str) -> Any:
    """Reads a pickle of plain builtin values, running no code from it.

    Strings pickled by Python 2 are decoded as UTF-8, bytes in them that are not UTF-8 as Latin-1.

    Args:
        path (str): The file; any location that `mmengine.fileio` reads.

    Returns:
        The unpickled lists, dicts, tuples, strings, numbers, booleans and None.

    Raises:
        DataError: The file is missing, damaged or truncated, or holds anything but plain values.

    Source: our choice; the files are downloaded from mirrors and hence untrusted.
    """
    try:
        data = fileio.get(path)
    except OSError as error:
        raise DataError(
            f'{path}: the refs file cannot be read ({error}). Check `data_root` and `refs_file`: '
            'it is expected at <data_root>/<dataset>/refs(<split_by>).p.'
        ) from error
    forbidden = find_forbidden_opcode(data)
    if forbidden is not None:
        raise _refusal(path, forbidden)
    try:
        with _no_garbage_collection():
            return _PlainUnpickler(data, path).load()
    except DataError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise DataError(
            f'{path}: not a complete pickle ({type(error).__name__}: {printable(error, 200)}). The '
            'download is probably damaged or truncated; download the file again.'
        ) from error
