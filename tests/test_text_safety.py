# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Text out of files cannot do anything to a terminal, a log or the reader of an error."""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magnet_mm.errors import CheckpointError, ConfigError, DataError
from magnet_mm.text_safety import printable, printable_message

# clear screen, window title, hyperlink, cursor up, C1 control, override, line separator, bell
ATTACKS = [
    '\x1b[2J', '\x1b]0;title\x07', '\x1b]8;;http://x\x1b\\', '\x1b[1A', '\x9b31m', '\u202e',
    '\u2028', '\u2066', '\a', '\b\b\b', '\x7f', '\x00', '\ud800', '\ufeff', '\u200b',
]  # fmt: skip


@pytest.mark.parametrize('attack', ATTACKS, ids=ascii)
@pytest.mark.parametrize('error', [DataError, ConfigError, CheckpointError])
def test_errors_carry_no_escape(error, attack):
    text = str(error(f'a.json: the sentence "red{attack}" is wrong.\nsecond line'))
    assert text.count('\n') == 1 and text.replace('\n', '').isprintable()
    assert text.startswith('a.json: the sentence "red\ufffd') and text.endswith('\nsecond line')
    text.encode()


def test_errors_travel_between_processes():
    for error in (DataError('a\x1bb'), ConfigError('x'), CheckpointError('y')):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) and str(again) == str(error)


def test_printable():
    assert printable('red\r\nERROR: forged line') == 'red ERROR: forged line'
    assert printable('größer 右 الرجل 🙂') == 'größer 右 الرجل 🙂'
    assert printable('abcdef', limit=4) == 'abc…' and printable('abcd', limit=4) == 'abcd'
    assert printable(ValueError('a\x1b')) == 'a\ufffd'
    assert printable_message('a\tb\n\tc') == 'a b\n c'


@given(st.text())
@settings(max_examples=100, deadline=None)
def test_any_text_becomes_one_printable_line(text):
    shown = printable(text, limit=20)
    assert len(shown) <= 20
    assert all(character.isprintable() or character.isspace() for character in shown)
    assert not set(shown) & set('\n\r\x1b\u2028\u2029\x85')
    shown.encode()
    assert printable(shown) == shown
