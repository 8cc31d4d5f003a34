# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Refs files are read, and nothing in them runs."""

import os
import pickle
from pathlib import Path

import pytest

from magnet_mm.datasets.refer_pickle import load_plain_pickle
from magnet_mm.errors import DataError


def _write(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / 'refs(unc).p'
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_of_every_protocol(tmp_path, protocol):
    value = [{'ref_id': 1, 'big': 2**80, 'x': 0.5, 'raw': 'größer 右 '}, ('a', True, None), [-3]]
    assert load_plain_pickle(_write(tmp_path, pickle.dumps(value, protocol))) == value


def test_python2_protocol_0_and_2_strings(tmp_path):
    text = b"(lp0\n(dp1\nS'ref_id'\np2\nI7\nsS'raw'\np3\nS'caf\\xc3\\xa9 '\np4\nsa."
    assert load_plain_pickle(_write(tmp_path, text)) == [{'ref_id': 7, 'raw': 'café '}]
    binary = b'\x80\x02]q\x00}q\x01(U\x06ref_idK\x07U\x03rawU\x05caf\xc3\xa9ua.'
    assert load_plain_pickle(_write(tmp_path, binary)) == [{'ref_id': 7, 'raw': 'café'}]


def test_bytes_that_are_not_utf8_are_latin1_string_by_string(tmp_path):
    # one Latin-1 string and one UTF-8 string in the same file: each is read right
    data = b'\x80\x02](U\x04caf\xe9U\x05caf\xc3\xa9e.'
    assert load_plain_pickle(_write(tmp_path, data)) == ['café', 'café']


class _Reduce:
    def __init__(self, function, *args):
        self.reduced = function, args

    def __reduce__(self):
        return self.reduced


def _payloads(marker: Path) -> dict[str, tuple[bytes, str]]:
    write = f"open({str(marker)!r}, 'w').close()"
    touch = f'touch {marker}'
    system = _Reduce(os.system, touch)
    return {
        'os.system protocol 0': (pickle.dumps(system, 0), 'system'),
        'os.system protocol 2': (pickle.dumps(system, 2), 'system'),
        'os.system protocol 4': (pickle.dumps(system, 4), 'system'),
        'nested in refs': (pickle.dumps([{'ref_id': 1, 'sentences': [system]}], 2), 'system'),
        'builtins.eval': (pickle.dumps([_Reduce(eval, write)], 2), r'__builtin__\.eval'),
        'builtins.exec': (pickle.dumps(_Reduce(exec, write), 4), r'builtins\.exec'),
        # getattr(os, 'system')(touch), os itself through __import__
        'getattr chain': (
            b"c__builtin__\ngetattr\n(c__builtin__\n__import__\n(S'os'\ntRS'system'\ntR(S'"
            + touch.encode()
            + b"'\ntR.",
            r'getattr',
        ),
        'INST opcode': (b"(S'" + touch.encode() + b"'\nios\nsystem\n.", r'os\.system'),
        'OBJ opcode': (b"(cos\nsystem\nS'" + touch.encode() + b"'\no.", r'os\.system'),
    }


@pytest.mark.parametrize('name', list(_payloads(Path('x'))))
def test_malicious_pickles_are_refused_and_run_nothing(tmp_path, name):
    marker = tmp_path / 'ran'
    data, refused = _payloads(marker)[name]
    path = _write(tmp_path, data)
    with pytest.raises(DataError, match=refused) as caught:
        load_plain_pickle(path)
    assert path in str(caught.value)
    assert not marker.exists()
    pickle.loads(data)  # the payload does work where globals are resolved
    assert marker.exists()


@pytest.mark.parametrize('value', [{1, 2}, b'bytes', bytearray(b'x'), complex(1, 2)])
def test_other_globals_are_refused_even_if_harmless(tmp_path, value):
    with pytest.raises(DataError, match='the pickle holds the opcode'):
        load_plain_pickle(_write(tmp_path, pickle.dumps([value], 2)))


def test_persistent_id_is_refused(tmp_path):
    with pytest.raises(DataError, match='the opcode PERSID'):
        load_plain_pickle(_write(tmp_path, b'Pevil\n.'))


@pytest.mark.parametrize('protocol', [0, 2, 4])
def test_truncated_file(tmp_path, refs, protocol):
    data = pickle.dumps(refs, protocol)
    for length in (0, 1, len(data) // 2, len(data) - 1):
        path = _write(tmp_path, data[:length])
        with pytest.raises(DataError, match='download the file again') as caught:
            load_plain_pickle(path)
        assert path in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match='nowhere.p: the refs file cannot be read'):
        load_plain_pickle(str(tmp_path / 'nowhere.p'))
