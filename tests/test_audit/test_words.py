# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Classes of words, with and without spaCy."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from magnet_mm.audit import words
from magnet_mm.errors import ConfigError


@pytest.mark.parametrize(
    ('word', 'expected'),
    [
        ('Red,', 'colour'),
        ('orange', 'colour'),  # the first of its classes
        ('big', 'size'),
        ('leftmost', 'place'),
        ('beside', 'relation'),
        ('giraffe', 'noun'),
        ('cross', 'noun'),
        ('the', 'function word'),
        ('wooden', 'other'),
        ('', 'other'),
    ],
)
def test_listed_class(word, expected):
    assert words.listed_class(word) == expected


def test_every_word_of_refshapes_is_listed():
    from magnet_mm.refshapes.wording import vocabulary

    assert [word for word in vocabulary() if words.listed_class(word) == words.OTHER] == []


def test_without_spacy(monkeypatch):
    def absent():
        raise ConfigError('no spaCy')

    monkeypatch.setattr(words, 'load_spacy', absent)
    classes, name = words.word_classifier()
    assert classes('the wooden chair') == ['function word', 'other', 'noun']
    assert name == 'the shipped word list'


def test_spacy_tags_what_the_list_does_not_have(monkeypatch):
    tags = {'wooden': 'ADJ', 'red': 'NOUN', 'xylophone': 'NOUN'}

    def parse(text):
        return [SimpleNamespace(text=t, pos_=tags.get(t, 'X')) for t in text.split()]

    monkeypatch.setattr(words, 'load_spacy', lambda: parse)
    classes, name = words.word_classifier()
    assert classes('red wooden xylophone hm') == ['colour', 'adjective', 'noun', 'other']
    assert 'spaCy' in name
