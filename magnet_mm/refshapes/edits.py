# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Sentences that differ from a true one in a single word, and what they then mean.

The edited meaning is said with the random draws of the true sentence, so the wording is the same,
and is checked against the scene by :mod:`.semantics`: an edit is kept when it is false of every
object (nothing is meant), or true of exactly one other and false of the rest. Source: our choice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from magnet_mm.refshapes.scene import COLOURS, SHAPES, SIZES, Scene
from magnet_mm.refshapes.semantics import Description, Expression, exact_referents
from magnet_mm.refshapes.sentences import names_held_out
from magnet_mm.refshapes.wording import say

WORDS = {'size': SIZES, 'colour': COLOURS, 'shape': SHAPES}
#: What one other word makes of a place or direction.
OPPOSITES = {
    'left': ('right',),
    'top': ('bottom',),
    'top left': ('top right', 'bottom left'),
    'top right': ('top left', 'bottom right'),
    'bottom left': ('bottom right', 'top left'),
    'bottom right': ('bottom left', 'top right'),
    'leftmost': ('rightmost',),
    'topmost': ('bottommost',),
    'left of': ('right of',),
    'above': ('below',),
}
OPPOSITES.update({others[0]: (one,) for one, others in OPPOSITES.items() if len(others) == 1})


class Edit(NamedTuple):
    """A sentence, one word of which was exchanged.

    Attributes:
        index: the object that the true sentence means.
        number: which of that object's sentences was edited.
        word: what was exchanged: ``size``, ``colour``, ``shape``, ``anchor size`` ..., ``place`` or
            ``relation``.
        text: the edited sentence.
        referent: the object that it means; None where nothing is meant.
    """

    index: int
    number: int
    word: str
    text: str
    referent: int | None


def edited_meanings(expression: Expression) -> Iterator[tuple[str, Expression]]:
    """Yield what the expression becomes by one other word, and which kind of word that is."""
    for word, target in _edited(expression.target):
        yield word, expression._replace(target=target)
    if expression.anchor is not None:
        for word, anchor in _edited(expression.anchor):
            yield f'anchor {word}', expression._replace(anchor=anchor)
    for place in OPPOSITES.get(expression.place, ()):
        yield 'place', expression._replace(place=place)
    for relation in OPPOSITES.get(expression.relation, ()):
        yield 'relation', expression._replace(relation=relation)


def edits(
    scene: Scene,
    index: int,
    number: int,
    expression: Expression,
    draws: dict[str, Any],
    held_out: bool = False,
) -> list[Edit]:
    """All edits of a sentence that mean nothing or exactly one other object.

    Args:
        scene: The scene.
        index: The object that the sentence means.
        number: Which of the object's sentences it is.
        expression: Its meaning.
        draws: State of the bit generator with which it was said.
        held_out: Whether a noun phrase may name a held-out pair of colour and shape (testB).
    """
    text = _said(expression, draws)
    found = []
    for word, edited in edited_meanings(expression):
        if not held_out and _names_held_out(edited):
            continue
        meant = exact_referents(edited, scene)
        if meant is None or len(meant) > 1 or meant == (index,):
            continue
        new = _said(edited, draws)
        if differing_words(text, new) == 1:
            found.append(Edit(index, number, word, new, meant[0] if meant else None))
    return found


def differing_words(one: str, other: str) -> int | None:
    """Count the positions at which two sentences differ; None when their lengths do."""
    words = one.split(), other.split()
    if len(words[0]) != len(words[1]):
        return None
    return sum(a != b for a, b in zip(*words, strict=True))


def _edited(description: Description) -> Iterator[tuple[str, Description]]:
    for field, said in zip(Description._fields, description, strict=True):
        if said is not None:
            for word in WORDS[field]:
                if word != said:
                    yield field, description._replace(**{field: word})


def _names_held_out(expression: Expression) -> bool:
    return any(map(names_held_out, filter(None, (expression.target, expression.anchor))))


def _said(expression: Expression, draws: dict[str, Any]) -> str:
    bits = np.random.PCG64()
    bits.state = draws
    return say(np.random.Generator(bits), expression)
