# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Checks the opcodes of a pickle before anything unpickles it.

A refs file needs no opcode that looks up, calls or fills a Python object, so a file that holds one
is refused without being run. `Unpickler.find_class` alone is not enough: an extension code that
was used before in the process comes out of a cache, past `find_class`, and a memo index of four
billion makes the C unpickler fill tens of gigabytes before it fails.
"""

from __future__ import annotations

import pickletools
import re
from collections import deque

# Opcodes that build None, booleans, numbers, strings, lists, tuples and dicts, protocols 0 to 5.
# Bytes, sets and bytearrays are left out: no refs file has them.
_PLAIN = frozenset(
    'PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG '
    'LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE SHORT_BINUNICODE '
    'BINUNICODE BINUNICODE8 EMPTY_LIST APPEND APPENDS LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 '
    'EMPTY_DICT DICT SETITEM SETITEMS GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT MEMOIZE'.split()
)
_BY_CODE = {ord(opcode.code): opcode for opcode in pickletools.opcodes}
# Length of the argument that follows the opcode, by opcode; refused and unknown ones are absent.
_FIXED = {
    code: opcode.arg.n if opcode.arg else 0
    for code, opcode in _BY_CODE.items()
    if opcode.name in _PLAIN and (opcode.arg is None or opcode.arg.n >= 0)
}
_LINES = {ord(code) for code in 'IFLSVgp'}  # the argument ends with the line
_COUNTED = {ord('U'): 1, 0x8A: 1, 0x8C: 1, ord('T'): 4, 0x8B: 4, ord('X'): 4, 0x8D: 8}
_STOP, _PUT, _LONG_BINPUT = b'.'[0], b'p'[0], b'r'[0]
_LONGEST_LINE = 1 << 20  # digits of a number, or characters of a protocol 0 string
# A run of opcodes that need no closer look; most of a file is such runs.
_RUN = re.compile(
    rb'(?:%s|[IFLSVg][^\n]{0,%d}\n|p\d{1,5}\n|r..\x00\x00)*+'
    % (
        b'|'.join(
            b'[%s].{%d}' % (b''.join(re.escape(bytes([code])) for code in codes), length)
            for length in sorted(set(_FIXED.values()))
            if (
                codes := [
                    c for c in _FIXED if _FIXED[c] == length and c not in (_STOP, _LONG_BINPUT)
                ]
            )
        ),
        _LONGEST_LINE,
    ),
    re.DOTALL,
)


def find_forbidden_opcode(data: bytes) -> str | None:
    """Describes the first opcode of a pickle that plain data does not need.

    Args:
        data (bytes): The pickle.

    Returns:
        str | None: Such as `the opcode GLOBAL (os system) at byte 2`; None where every opcode up
        to STOP builds plain values and no memo index is larger than the file. A pickle that ends
        early or has an unknown opcode gives None as well: the unpickler stops there and says so.

    Source: our choice. One pass of table look-ups over the file, nothing is built.
    """
    position, size = 0, len(data)
    while (position := _RUN.match(data, position).end()) < size:
        code = data[position]
        if (width := _COUNTED.get(code)) is not None:
            position += 1 + width + _number(data, position, width)
        elif code == _LONG_BINPUT:
            if _number(data, position, 4) > size:
                return _describe(data, position)
            position += 5
        elif code == _STOP or code in _FIXED:  # the latter: its argument is cut off
            return None
        elif code in _LINES:
            end = data.find(b'\n', position, position + _LONGEST_LINE)
            if end < 0:
                return None if size - position < _LONGEST_LINE else _describe(data, position)
            if code == _PUT and not _is_index(data[position + 1 : end], size):
                return _describe(data, position)
            position = end + 1
        else:
            return _describe(data, position) if code in _BY_CODE else None
    return None


def _number(data: bytes, position: int, width: int) -> int:
    """The little-endian argument of the opcode at `position`."""
    return int.from_bytes(data[position + 1 : position + 1 + width], 'little')


def _is_index(text: bytes, size: int) -> bool:
    """Whether a PUT's text is a memo index that a file of this size can need."""
    return len(text) < 20 and text.strip().isdigit() and int(text) <= size


def _describe(data: bytes, position: int) -> str:
    """Name, argument (where it is short text) and place of the opcode at `position`."""
    opcode = _BY_CODE[data[position]]
    lines = data[position + 1 : position + 200].decode('latin-1').split('\n')
    names: list[str] = []
    if opcode.name in ('GLOBAL', 'INST'):
        names = lines[:2]
    elif opcode.name in ('PERSID', 'PUT'):
        names = lines[:1]
    elif opcode.name == 'STACK_GLOBAL':
        names = _last_two_strings(data, position)
    text = f' "{".".join(names)}"' if names else ''
    return f'the opcode {opcode.name}{text} at byte {position}'


def _last_two_strings(data: bytes, position: int) -> list[str]:
    """The strings in front of a STACK_GLOBAL: module and name, unless they came from the memo."""
    strings: deque[str] = deque(maxlen=2)
    try:
        for _, argument, place in pickletools.genops(data):
            if place is None or place >= position:
                break
            if isinstance(argument, str):
                strings.append(argument[:80])
    except ValueError:  # an argument that pickletools cannot show
        return []
    return list(strings)
