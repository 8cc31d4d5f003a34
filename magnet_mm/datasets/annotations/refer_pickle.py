# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Reads the `refs(<split_by>).p` files of the RefCOCO family without running anything from them.

These pickles (protocol 0 or 2, written by Python 2) hold only lists, dicts, tuples, strings,
numbers, booleans and None. The unpickler knows the opcodes of these and no other, and resolves no
global (`os.system`, `builtins.eval`, ...) and no persistent id.
"""

from __future__ import annotations

import codecs
import contextlib
import gc
import io
import pickle
import pickletools
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from mmengine import fileio

from magnet_mm.errors import DataError
from magnet_mm.text_safety import printable

_LATIN1_FALLBACK = 'magnet_mm.latin1'


def _decode_bad_bytes_as_latin1(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: the bytes that are not UTF-8 are read as Latin-1."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode('latin-1'), error.end


codecs.register_error(_LATIN1_FALLBACK, _decode_bad_bytes_as_latin1)


# Opcodes that build None, booleans, numbers, strings, lists, tuples and dicts, protocols 0 to 5.
# Bytes, sets and bytearrays are left out: no refs file has them. The second line holds those that
# name a global or a persistent id; the unpickler refuses these by name.
_PLAIN = frozenset(
    'PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG '
    'GLOBAL STACK_GLOBAL INST PERSID BINPERSID '
    'LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE SHORT_BINUNICODE '
    'BINUNICODE BINUNICODE8 EMPTY_LIST APPEND APPENDS LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 '
    'EMPTY_DICT DICT SETITEM SETITEMS GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT MEMOIZE'.split()
)


class _ForbiddenError(Exception):
    """What a refs file does not need was found in a pickle."""


class _Opcodes(dict):
    """Methods of the unpickler by opcode; any other opcode is refused."""

    def __missing__(self, code: int) -> NoReturn:
        for opcode in pickletools.opcodes:
            if ord(opcode.code) == code:
                raise _ForbiddenError(f'the opcode {opcode.name}')
        raise pickle.UnpicklingError(f'there is no opcode {code:#x}')


class _PlainUnpickler(pickle._Unpickler):
    """Builds plain builtin values only.

    Python's own unpickler, not the one in C: that takes extension codes out of a cache, past
    `find_class`, and makes room for four billion memo entries if a file of ten bytes says so. On
    RefCOCO it takes as long (3 s) as the C one and a check of all opcodes before it did.
    """

    dispatch = _Opcodes(
        (ord(opcode.code), pickle._Unpickler.dispatch[ord(opcode.code)])
        for opcode in pickletools.opcodes
        if opcode.name in _PLAIN
    )

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding='utf-8', errors=_LATIN1_FALLBACK)

    def find_class(self, module: str, name: str) -> NoReturn:
        raise _ForbiddenError(f'the Python object "{module}.{name}"')

    def persistent_load(self, pid: Any) -> NoReturn:
        raise _ForbiddenError('a persistent id')


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


# What pickles of tables hold in place of plain values, and how to write plain ones.
_PLAIN_INSTEAD = (
    (
        re.compile(
            r'numpy(\._?core(\.(multiarray|numeric))?)?\.'
            r'(_reconstruct|scalar|dtype|ndarray|_frombuffer)\b'
        ),
        'a numpy value, as rows out of parquet have. Make arrays lists with .tolist() and numbers '
        'plain with int()',
    ),
    (re.compile(r'pandas\.'), "a pandas table. Write table.to_dict('records') with plain values"),
    (
        re.compile(r'collections\.(OrderedDict|defaultdict)\b'),
        'a dict of another class. Make it plain with dict()',
    ),
)


def _refusal(path: str, found: str) -> DataError:
    for pattern, what in _PLAIN_INSTEAD:
        if pattern.search(found):
            return DataError(
                f'{printable(path)}: the pickle holds {printable(found)}, {what}, and write the '
                'file again if it is your own; get it from a source you trust if it is not. A refs '
                'file has only lists, dicts, strings and numbers; nothing of it was run.'
            )
    return DataError(
        f'{printable(path)}: the pickle holds {printable(found)}. A refs file has only lists, '
        'dicts, strings and numbers, so this file may be malicious; nothing of it was run. Delete '
        'it and get the file from a source you trust.'
    )


def read_bytes(path: str) -> bytes:
    """Read the content of a refs file.

    Args:
        path (str): The file; any location that `mmengine.fileio` reads.

    Raises:
        DataError: It is missing or cannot be read.
    """
    try:
        return fileio.get(path)
    except OSError as error:
        raise DataError(
            f'{path}: the refs file cannot be read ({error}). Check `data_root` and `refs_file`: '
            'it is expected at <data_root>/<dataset>/refs(<split_by>).p or grefs(<split_by>).json.'
        ) from error


def load_plain_pickle(path: str, data: bytes | None = None) -> Any:
    """Read a pickle of plain builtin values, running no code from it.

    Strings pickled by Python 2 are decoded as UTF-8, bytes in them that are not UTF-8 as Latin-1.

    Args:
        path (str): The file; any location that `mmengine.fileio` reads.
        data (bytes, optional): Its content, where it was read before.

    Returns:
        The unpickled lists, dicts, tuples, strings, numbers, booleans and None.

    Raises:
        DataError: The file is missing, damaged or truncated, or holds anything but plain values.

    Source: our choice; the files are downloaded from mirrors and hence untrusted.
    """
    data = read_bytes(path) if data is None else data
    try:
        with _no_garbage_collection():
            return _PlainUnpickler(data).load()
    except _ForbiddenError as error:
        raise _refusal(path, str(error)) from None
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise DataError(
            f'{path}: not a complete pickle ({type(error).__name__}: {printable(error, 200)}). The '
            'download is probably damaged or truncated; download the file again.'
        ) from error
