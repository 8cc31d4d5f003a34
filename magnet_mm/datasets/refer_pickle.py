# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Reads the `refs(<split_by>).p` files of the RefCOCO family without running anything from them.

These pickles (protocol 0 or 2, written by Python 2) hold only lists, dicts, tuples, strings,
numbers, booleans and None, so the unpickler here resolves no global at all: whatever names one
(`os.system`, `builtins.eval`, ...) is refused before it is looked up.
"""

from __future__ import annotations

import codecs
import io
import pickle
from typing import Any

from mmengine import fileio

from magnet_mm.errors import DataError

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
        raise DataError(
            f'{self._path}: the pickle asks for the Python object "{module}.{name}". A refs file '
            'holds only lists, dicts, strings and numbers, so this file may be malicious; nothing '
            'of it was run. Delete it and get the file from a source you trust.'
        )

    def persistent_load(self, pid: Any) -> Any:
        raise DataError(
            f'{self._path}: the pickle holds a persistent id ({pid!r}), which no refs file has. '
            'Delete it and get the file from a source you trust.'
        )


def load_plain_pickle(path: str) -> Any:
    """Reads a pickle of plain builtin values, running no code from it.

    Strings pickled by Python 2 are decoded as UTF-8, bytes in them that are not UTF-8 as Latin-1.

    Args:
        path (str): The file; any location that `mmengine.fileio` reads.

    Returns:
        The unpickled lists, dicts, tuples, strings, numbers, booleans and None.

    Raises:
        DataError: The file is missing, damaged or truncated, or names any global.

    Source: our choice; the files are downloaded from mirrors and hence untrusted.
    """
    try:
        data = fileio.get(path)
    except OSError as error:
        raise DataError(
            f'{path}: the refs file cannot be read ({error}). Check `data_root` and `refs_file`: '
            'it is expected at <data_root>/<dataset>/refs(<split_by>).p.'
        ) from error
    try:
        return _PlainUnpickler(data, path).load()
    except DataError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise DataError(
            f'{path}: not a complete pickle ({type(error).__name__}: {error}). The download is '
            'probably damaged or truncated; download the file again.'
        ) from error
