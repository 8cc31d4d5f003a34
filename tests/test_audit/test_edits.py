# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Edits of sentences."""

from __future__ import annotations

import numpy as np
import pytest

from magnet_mm.audit.edits import (
    AbsentEdit,
    PictureContent,
    absent_edits,
    mirrored,
    permuted,
    without_each_word,
)
from magnet_mm.audit.words import COCO_NOUNS

SHAPES = PictureContent(frozenset({'circle', 'cross', 'square'}), frozenset({'red', 'blue'}))


def rng(seed=0):
    return np.random.default_rng(seed)


def test_permuted_words_are_the_same_words_in_another_order():
    for seed in range(20):
        other = permuted('the man left', rng(seed))
        assert sorted(other.split()) == ['left', 'man', 'the'] and other != 'the man left'
    assert permuted('red ball', rng()) == 'ball red'
    assert [permuted(text, rng()) for text in ('man', 'no no no', '')] == [None] * 3


def test_without_each_word():
    assert without_each_word('big red ball') == ['red ball', 'big ball', 'big red']
    assert without_each_word('man') == without_each_word('') == []


@pytest.mark.parametrize(
    ('sentence', 'expected'),
    [
        ('left man', 'right man'),
        ('the Right-hand cup', 'the Left-hand cup'),
        ('LEFT of the leftmost one', 'RIGHT of the rightmost one'),
        ('righty', 'lefty'),
        ('right behind the left man', 'right behind the right man'),
        ('right side', 'left side'),
        ('bright leftovers', 'bright leftovers'),
    ],
)
def test_mirrored(sentence, expected):
    assert mirrored(sentence) == expected
    if 'behind' not in sentence:
        assert mirrored(expected) == sentence


def test_of_refshapes_the_annotations_say_what_is_absent():
    edits = absent_edits('the red circle above the blue square', SHAPES, rng())
    (noun, colour) = edits
    assert noun == AbsentEdit('the red triangle above the blue square', 'noun', True)
    assert colour.word == 'colour' and colour.exact
    new = colour.text.split()[1]
    assert new in {'green', 'yellow', 'purple', 'white'}
    assert colour.text == f'the {new} circle above the blue square'


def test_words_that_cannot_be_exchanged():
    everything = PictureContent(
        frozenset({'circle', 'cross', 'square', 'triangle'}), frozenset({'red'})
    )
    assert [e.word for e in absent_edits('red circle', everything, rng())] == ['colour']
    assert absent_edits('leftmost thing', SHAPES, rng()) == []
    assert [e.word for e in absent_edits('red circle', PictureContent(), rng())] == ['colour']


def test_of_coco_categories_are_known_and_colours_guessed():
    scene = PictureContent(frozenset({'person', 'dog'}), None, ('man in red', 'white dog'))
    for seed in range(10):
        noun, colour = absent_edits('Man, in red', scene, rng(seed))
        new = noun.text.split(',')[0]
        assert new in COCO_NOUNS.values() and new not in {'person', 'dog'}
        assert noun.text == f'{new}, in red' and noun.exact
        word = colour.text.split()[-1]
        assert colour.text == f'Man, in {word}' and word not in {'red', 'white'}
        assert not colour.exact
    # a noun that means none of the picture's objects is left alone
    assert [e.word for e in absent_edits('the chair', scene, rng())] == []
