# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Pickles that run code, or exhaust the machine, where an unpickler lets them.

Every payload of :func:`running` does nothing but create the file `marker`. Tests load this module
by its path (`tests/conftest.py`).
"""

import codecs
import functools
import importlib
import io
import marshal
import operator
import os
import pickle
import runpy
import struct
import subprocess
import tarfile
import time
import timeit
from pathlib import Path

import numpy as np
import torch

EXTENSION = 0x70  # any code that nobody registered
# bombs that are plain values to an unpickler that reserves nothing on the word of a file: they
# load, and only do harm where they are walked through
PLAIN = (
    'lists nested 200,000 deep',
    'tuples nested 200,000 deep',
    'billion laughs',
    'memo index of 4 billion, LONG_BINPUT',
    'memo index of 4 billion, PUT',
    'memo index of 10^30, PUT',
    'FRAME of 2^62 bytes',
)


class Reduce:
    """Pickles as the call of a function."""

    def __init__(self, function, *args):
        self.reduced = function, args

    def __reduce__(self):
        return self.reduced


class Hook:
    """Pickles as a dict entry set on an object (opcodes SETITEMS, APPENDS after a REDUCE)."""

    def __init__(self, reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


def running(marker: Path) -> dict[str, bytes]:
    """Pickles by name; each creates `marker` when `pickle.loads` reads it."""
    touch = f'touch {marker}'
    code = f'open({str(marker)!r}, "w").close()'
    rot13 = codecs.encode(code, 'rot13')
    system = Reduce(os.system, touch)
    quoted = f"S'{touch}'\n".encode()
    short = b'\x8c' + bytes([len(touch)]) + touch.encode()  # SHORT_BINUNICODE
    compiled = marshal.dumps(compile(code, 'x', 'exec'))
    ref = {'ref_id': 1, 'ann_id': 1, 'image_id': 1, 'split': 'train'}
    payloads = {
        f'os.system, protocol {protocol}': pickle.dumps(system, protocol) for protocol in range(6)
    }
    payloads |= {
        'eval': pickle.dumps([Reduce(eval, code)], 2),
        'exec': pickle.dumps(Reduce(exec, code), 4),
        'subprocess.check_call': pickle.dumps(Reduce(subprocess.check_call, touch.split())),
        'timeit.repeat': pickle.dumps(Reduce(timeit.repeat, code, 'pass', time.perf_counter, 1, 1)),
        'runpy._run_code': pickle.dumps(Reduce(runpy._run_code, code, {})),
        'pathlib.Path.touch': pickle.dumps(Reduce(Path.touch, marker)),
        'in a list in a ref': pickle.dumps([{**ref, 'sentences': [system]}], 2),
        'as a dict value': pickle.dumps([{**ref, 'sentences': [{'raw': system, 'sent_id': 1}]}], 4),
        'as a dict key': pickle.dumps({(1, Reduce(os.system, touch)): 1}, 2),
        'in a tuple, thrown away': b'(cos\nsystem\n(' + quoted + b'tR0(lp0\n.',
        'getattr of an import': b'c__builtin__\ngetattr\n(c__builtin__\n__import__\n'
        b"(S'os'\ntRS'system'\ntR(" + quoted + b'tR.',
        'attrgetter of an import': b"coperator\nattrgetter\n(S'system'\ntR(c__builtin__\n"
        b"__import__\n(S'os'\ntRtR(" + quoted + b'tR.',
        'methodcaller': pickle.dumps(
            Reduce(operator.methodcaller('system', touch), Reduce(importlib.import_module, 'os'))
        ),
        'dotted name, protocol 4': b'\x80\x04\x8c\x07pathlib\x8c\x0aPath.touch\x93\x8c\x07pathlib'
        b'\x8c\x04Path\x93\x8c' + bytes([len(str(marker))]) + str(marker).encode() + b'\x85R\x85R.',
        'functools.partial': pickle.dumps(Reduce(functools.partial(os.system, touch))),
        # partial(print).__setstate__((os.system, (touch,), {}, None))()
        'BUILD with __setstate__': b'cfunctools\npartial\n(c__builtin__\nprint\ntR'
        b'(cos\nsystem\n(' + quoted + b't(dNtb(tR.',
        # setting __call__ of a class through its state (BUILD fills __dict__)
        'BUILD of attributes': b'carg' b'parse\nNamespace\n(tR(dS"x"\ncos\nsystem\n(' + quoted
        + b'tRsb.',
        'INST': b'(' + quoted + b'ios\nsystem\n.',
        'OBJ': b'(cos\nsystem\n' + quoted + b'o.',
        'STACK_GLOBAL': b'\x80\x04\x8c\x02os\x8c\x06system\x93' + short + b'\x85R.',
        'STACK_GLOBAL out of the memo': b'\x80\x04\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93'
        + short + b'\x85R.',
        # tuple.__new__(tuple, map.__new__(map, os.system, [touch]))
        'NEWOBJ': b'\x80\x04cbuiltins\ntuple\ncbuiltins\nmap\ncos\nsystem\n]' + short
        + b'a\x86\x81\x85\x81.',
        'NEWOBJ_EX': b'\x80\x04cbuiltins\ntuple\ncbuiltins\nmap\ncos\nsystem\n]' + short
        + b'a\x86}\x92\x85}\x92.',
        'EXT1 out of the cache': b'\x80\x02\x82' + bytes([EXTENSION]) + b'(' + quoted + b'tR.',
        'EXT2 out of the cache': b'\x80\x02\x83' + struct.pack('<H', EXTENSION) + b'(' + quoted
        + b'tR.',
        'EXT4 out of the cache': b'\x80\x02\x84' + struct.pack('<i', EXTENSION) + b'(' + quoted
        + b'tR.',
        'copyreg.__newobj__': b'ccopyreg\n__newobj__\n(c__builtin__\ntuple\nc__builtin__\nmap\n'
        b'(cos\nsystem\n(' + quoted + b'ltRtR.',
        'numpy object array': pickle.dumps(np.array([system, 1], dtype=object)),
        'codecs': pickle.dumps(Reduce(exec, Reduce(codecs.decode, rot13, 'rot13'))),
        'pickle.loads of bytes': pickle.dumps(Reduce(pickle.loads, pickle.dumps(system)), 4),
        'torch.load of bytes': pickle.dumps(
            Reduce(
                functools.partial(torch.serialization.load, weights_only=False),
                Reduce(io.BytesIO, zip_file(pickle.dumps(system, 2))),
            )
        ),
        'marshalled code': pickle.dumps(Reduce(exec, Reduce(marshal.loads, compiled))),
        'list items of a call': pickle.dumps(Hook((list, (), None, iter([system]), None)), 2),
        'dict items of a call': pickle.dumps(Hook((dict, (), None, None, iter([(1, system)]))), 2),
    }  # fmt: skip
    return payloads


def bombs() -> dict[str, bytes]:
    """Small pickles that stand for much memory or time, and strange ones, by name."""
    laughs = b'\x80\x02]q\x00' + b''.join(
        b']q'
        + bytes([level + 1])
        + b'('
        + b'h'
        + bytes([level])
        + 9 * (b'h' + bytes([level]))
        + b'e'
        for level in range(60)
    )
    return {
        'memo index of 4 billion, LONG_BINPUT': b'\x80\x02]r\xf0\xff\xff\xff.',
        'memo index of 4 billion, PUT': b'(lp4294967280\n.',
        'memo index of 10^30, PUT': b'(lp1' + b'0' * 30 + b'\n.',
        'lists nested 200,000 deep': b'\x80\x02' + b']' * 200_000 + b'a' * 199_999 + b'.',
        'tuples nested 200,000 deep': b'\x80\x02)' + b'\x85' * 200_000 + b'.',
        'billion laughs': laughs + b'.',
        '200,000 marks': b'(' * 200_000 + b'.',
        'LONG of a million digits': b'L' + b'9' * 1_000_000 + b'L\n.',
        'LONG4 of 2 GB': b'\x80\x02\x8b\xff\xff\xff\x7f1.',
        'LONG4 of negative length': b'\x80\x02\x8b\xff\xff\xff\xff1.',
        'BINSTRING of negative length': b'\x80\x02T\xff\xff\xff\xff1.',
        'BINUNICODE of 4 GB': b'\x80\x02X\xff\xff\xff\xffx.',
        'BINUNICODE8 of 2^62 bytes': b'\x80\x04\x8d' + struct.pack('<Q', 1 << 62) + b'x.',
        'BINBYTES8 of 2^62 bytes': b'\x80\x04\x8e' + struct.pack('<Q', 1 << 62) + b'x.',
        'BYTEARRAY8 of 2^40 bytes': b'\x80\x05\x96' + struct.pack('<Q', 1 << 40) + b'x.',
        'FRAME of 2^62 bytes': b'\x80\x04\x95' + struct.pack('<Q', 1 << 62) + b'].',
        'out-of-band buffer': b'\x80\x05\x97.',
        'persistent id': b'Pevil\n.',
        'persistent id, binary': b"\x80\x02X\x04\x00\x00\x00evilQ.",
        'extension nobody registered': b'\x80\x02\x82\x71.',
        'protocol 9': b'\x80\x09].',
        'unknown opcode': b'\x80\x02\xff.',
        'text instead of a pickle': b'<!DOCTYPE html><html>404</html>',
    }  # fmt: skip


def zip_file(stream: bytes) -> bytes:
    """A checkpoint in torch's zip format, with `stream` as its pickle."""
    buffer = io.BytesIO()
    writer = torch._C.PyTorchFileWriter(buffer)
    writer.write_record('data.pkl', stream, len(stream))
    writer.write_end_of_file()
    return buffer.getvalue()


def legacy_file(stream: bytes) -> bytes:
    """A checkpoint in the format of torch < 1.6, with `stream` as its pickle."""
    magic, protocol = torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION
    sizes = dict(protocol_version=protocol, little_endian=True, type_sizes={})
    heads = [pickle.dumps(value, 2) for value in (magic, protocol, sizes)]
    return b''.join(heads) + stream + pickle.dumps([], 2)


def bare_file(stream: bytes) -> bytes:
    """A file that is the pickle and nothing else: torch reads it in place of the magic number."""
    return stream


def tar_file(stream: bytes) -> bytes:
    """A checkpoint in the format of torch < 0.4, a tar, with `stream` as its pickles."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w:', format=tarfile.PAX_FORMAT) as archive:
        for name in ('storages', 'tensors', 'pickle'):
            member = tarfile.TarInfo(name)
            member.size = len(stream)
            archive.addfile(member, io.BytesIO(stream))
    return buffer.getvalue()


FORMATS = {'zip': zip_file, 'legacy': legacy_file, 'bare': bare_file, 'tar': tar_file}
