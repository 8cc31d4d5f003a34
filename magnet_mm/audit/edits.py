# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Edits of a sentence that say whether a model reads it; what they are for: docs/audit.md."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from magnet_mm.audit.words import COCO_NOUNS, COLOURS, bare
from magnet_mm.refshapes.scene import COLOURS as REFSHAPES_COLOURS
from magnet_mm.refshapes.scene import SHAPES

# "right behind", "right there" name no side
_SIDE = re.compile(
    r'\b(left|right(?! (?:next|behind|above|below|under|beside|there|here|in front)\b))'
    r'(?=(?:most|hand|ward|wards|y)?\b)',
    re.IGNORECASE,
)
_OTHER_SIDE = {'left': 'right', 'right': 'left'}


@dataclass(frozen=True)
class PictureContent:
    """What the annotations say is in a picture.

    Attributes:
        categories: names of the categories of all annotated objects; None where nobody says.
        colours: colours of all objects, as RefShapes' files say; None where nobody says.
        sentences: all sentences of the picture.
    """

    categories: frozenset[str] | None = None
    colours: frozenset[str] | None = None
    sentences: Sequence[str] = field(default=())


class AbsentEdit(NamedTuple):
    """A sentence in which a word was exchanged so that nothing is meant.

    Attributes:
        text: the edited sentence.
        word: what was exchanged: ``noun`` or ``colour``.
        exact: the annotations say that it means nothing; otherwise no sentence of the picture
            mentions the new colour, so that most probably nothing is meant.
    """

    text: str
    word: str
    exact: bool


def permuted(sentence: str, rng: np.random.Generator) -> str | None:
    """Return the words in a random other order; None where there is no other."""
    words = sentence.split()
    if len(set(words)) < 2:
        return None
    while True:
        other = [words[i] for i in rng.permutation(len(words))]
        if other != words:
            return ' '.join(other)


def without_each_word(sentence: str) -> list[str]:
    """Return the sentence without its first word, without its second, ...; [] for a single word."""
    words = sentence.split()
    if len(words) < 2:
        return []
    return [' '.join(words[:place] + words[place + 1 :]) for place in range(len(words))]


def mirrored(sentence: str) -> str:
    """Exchange left and right, also in "leftmost", "right-hand" and the like."""
    return _SIDE.sub(lambda match: _like(match[0], _OTHER_SIDE[match[0].lower()]), sentence)


def absent_edits(
    sentence: str, scene: PictureContent, rng: np.random.Generator
) -> list[AbsentEdit]:
    """Return an edit of a noun and one of a colour after which nothing is meant, where possible.

    A noun becomes a category of its own kind (a shape of RefShapes, a category of COCO) of which
    the picture has no object. A colour becomes one that no object has or, where the annotations
    tell no colours, one that no sentence of the picture mentions. The word is the first such one
    of the sentence, which may be of the object or of what it is compared with: both must exist.
    """
    edits = []
    words = sentence.split()
    for word, choices, exact in (
        ('noun', _other_nouns(words, scene), True),
        ('colour', _other_colours(words, scene), scene.colours is not None),
    ):
        if choices is not None:
            place, options = choices
            chosen = options[rng.integers(len(options))]
            old = bare(words[place])
            new = words[place].lower().replace(old, chosen)
            text = ' '.join([*words[:place], new, *words[place + 1 :]])
            edits.append(AbsentEdit(text, word, exact))
    return edits


def _other_nouns(words: Sequence[str], scene: PictureContent) -> tuple[int, list[str]] | None:
    """Place of the noun and what it may become."""
    if scene.categories is None:
        return None
    for place, word in enumerate(map(bare, words)):
        kind: Collection[str] = SHAPES if word in SHAPES else ()
        if word in COCO_NOUNS and COCO_NOUNS[word] in scene.categories:
            kind = sorted({*COCO_NOUNS.values()} - {'person'})
        options = [name for name in kind if name not in scene.categories]
        if options:
            return place, options
    return None


def _other_colours(words: Sequence[str], scene: PictureContent) -> tuple[int, list[str]] | None:
    """Place of the colour and what it may become."""
    known: Collection[str]
    if scene.colours is None:
        known = {bare(word) for sentence in scene.sentences for word in sentence.split()}
        colours: Sequence[str] = COLOURS
    else:
        known, colours = scene.colours, REFSHAPES_COLOURS
    options = [colour for colour in colours if colour not in known]
    for place, word in enumerate(map(bare, words)):
        if word in colours and options:
            return place, options
    return None


def _like(old: str, new: str) -> str:
    """Write a word as another one is: lower case, capitalised, or in capitals."""
    if old.isupper():
        return new.upper()
    return new.capitalize() if old[0].isupper() else new
