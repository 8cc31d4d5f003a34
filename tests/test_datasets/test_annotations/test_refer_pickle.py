# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Refs files are read, and nothing in them runs."""

import collections
import copyreg
import importlib.util
import json
import os
import pickle
import resource
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magnet_mm.datasets.annotations.refer_pickle import load_plain_pickle
from magnet_mm.datasets.annotations.refs_reader import read_refs
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


def _malicious_pickles():
    path = Path(__file__).resolve().parents[2] / 'data' / 'malicious_pickles.py'
    spec = importlib.util.spec_from_file_location('malicious_pickles', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MALICIOUS = _malicious_pickles()
BOMBS = MALICIOUS.bombs()


@pytest.fixture(scope='module')
def cached_extension():
    """An extension code that was used before, and so is found without `find_class`."""
    copyreg.add_extension('os', 'system', MALICIOUS.EXTENSION)
    code = bytes([MALICIOUS.EXTENSION])
    assert pickle.loads(b'\x80\x02\x82' + code + b'.') is os.system
    yield
    copyreg.remove_extension('os', 'system', MALICIOUS.EXTENSION)


@pytest.mark.parametrize('name', list(MALICIOUS.running(Path('x'))))
def test_malicious_pickles_are_refused_and_run_nothing(tmp_path, name, cached_extension):
    marker = tmp_path / 'ran'
    data = MALICIOUS.running(marker)[name]
    path = _write(tmp_path, data)
    with pytest.raises(DataError, match='the pickle holds the .*nothing of it was run') as e:
        load_plain_pickle(path)
    assert str(e.value).startswith(path)
    with pytest.raises(DataError, match='expected a non-empty list|the pickle holds'):
        read_refs(path)
    assert not marker.exists()
    pickle.loads(data)  # the payload does work where globals are resolved
    assert marker.exists()


@pytest.fixture
def little_memory():
    """Two gigabytes on top of what the process has, so that a bomb cannot hurt the machine."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (2 << 30), limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.mark.parametrize('name', list(BOMBS))
def test_pickle_bombs_are_refused(tmp_path, name, little_memory):
    path = _write(tmp_path, BOMBS[name])
    if name in MALICIOUS.PLAIN:
        load_plain_pickle(path)  # in little memory
    else:
        with pytest.raises(DataError) as caught:
            load_plain_pickle(path)
        assert str(caught.value).startswith(path) and len(str(caught.value)) < 1000
        assert 'MemoryError' not in str(caught.value)  # refused before the memory was asked for
    with pytest.raises(DataError) as caught:
        read_refs(path)
    assert str(caught.value).startswith(path) and len(str(caught.value)) < 1000


def test_refs_that_share_their_sentences(tmp_path, refs):
    for ref in refs:
        ref['sentences'] = refs[0]['sentences']  # n refs of n sentences in a file of size n
    with pytest.raises(DataError, match='ref 2 shares its list of sentences with another ref'):
        read_refs(_write(tmp_path, pickle.dumps(refs, 2)))


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: b'\x80\x02](' + tail))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_bytes_are_plain_or_refused(tmp_path, data):
    try:
        load_plain_pickle(_write(tmp_path, data))
    except DataError as error:
        assert 'refs(unc).p' in str(error)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(plain, st.integers(0, 5))
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_plain_value_is_read_again(tmp_path, value, protocol):
    assert load_plain_pickle(_write(tmp_path, pickle.dumps(value, protocol))) == value


@pytest.mark.parametrize('value', [{1, 2}, b'bytes', bytearray(b'x'), complex(1, 2)])
def test_other_globals_are_refused_even_if_harmless(tmp_path, value):
    with pytest.raises(DataError, match='the pickle holds the (opcode|Python object)'):
        load_plain_pickle(_write(tmp_path, pickle.dumps([value], 2)))


def test_persistent_id_is_refused(tmp_path):
    with pytest.raises(DataError, match='the pickle holds a persistent id'):
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


def _rows(form):
    ref = dict(
        ref_id=np.int64(1),
        ann_id=2,
        image_id=3,
        split='train',
        sentences=np.array([dict(raw='x', sent_id=4)], dtype=object),
    )
    if form == 'array':
        ref['ref_id'] = 1
    return [ref]


@pytest.mark.parametrize('protocol', [0, 2, pickle.HIGHEST_PROTOCOL])
@pytest.mark.parametrize('form', ['number', 'array'])
def test_truth_30_numpy_values_are_refused_with_the_right_advice(tmp_path, form, protocol):
    path = _write(tmp_path, pickle.dumps(_rows(form), protocol))
    with pytest.raises(DataError, match=r'a numpy value.*\.tolist\(\).*int\(\)') as caught:
        read_refs(path)
    text = str(caught.value)
    assert 'malicious' not in text and 'elete' not in text and 'nothing of it was run' in text


def test_truth_30_other_tables_and_dicts(tmp_path):
    for value, advice in (
        ([collections.OrderedDict(ref_id=1)], r'dict\(\)'),
        (b'\x80\x02cpandas.core.frame\nDataFrame\n.', r"to_dict\('records'\)"),
    ):
        data = value if isinstance(value, bytes) else pickle.dumps(value, 2)
        with pytest.raises(DataError, match=advice):
            read_refs(_write(tmp_path, data))
    data = pickle.dumps([os.system], 2)
    with pytest.raises(DataError, match='may be malicious.*Delete it'):
        read_refs(_write(tmp_path, data))


def test_truth_30_json_is_refused_where_a_pickle_belongs_and_says_which_option(tmp_path, refs):
    path = _write(tmp_path, json.dumps(refs).encode())
    with pytest.raises(DataError, match="this is JSON.*type='GeneralizedReferringDataset'") as e:
        read_refs(path, generalized=False)
    assert 'pickle.dump' in str(e.value) and 'damaged' not in str(e.value)
    lines = '\n'.join(json.dumps(ref) for ref in refs)
    with pytest.raises(DataError, match="JSON lines.*type='JsonLinesReferringDataset'"):
        read_refs(_write(tmp_path, lines.encode()))
