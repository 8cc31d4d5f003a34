# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Sentences that mean several objects: "all red circles on the left", "the cross and a circle".

A quantified sentence means every object of which it is true; it is written when that are two or
more and none is borderline (:mod:`.semantics`). Words and shares are our choice.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from magnet_mm.refshapes.scene import SHAPES, Scene
from magnet_mm.refshapes.semantics import (
    CORNERS,
    DIRECTIONS,
    HALVES,
    Description,
    Expression,
    exact_referents,
)
from magnet_mm.refshapes.sentences import Referred, names_held_out
from magnet_mm.refshapes.wording import NOUNS, RELATION_WORDS, noun_phrase, vocabulary

#: Expressions tried for a sentence; an image where none fits goes without.
ATTEMPTS = 30
#: Words of a sentence at most: with [CLS] and [SEP] they fit into 20 tokens.
MOST_WORDS = 17
QUANTIFIERS = ('all {plural}', 'all the {plural}', 'every {np}', 'the {plural}', 'both {plural}')
PLACES = {
    **{place: f' on the {place}' for place in ('left', 'right')},
    **{place: f' at the {place}' for place in ('top', 'bottom')},
    **{place: f' in the {place} corner' for place in CORNERS},
}
RELATIONS = (*DIRECTIONS, 'next to')


class Several(NamedTuple):
    """A sentence and the objects it means, in scene order."""

    text: str
    referents: tuple[int, ...]


def draw_quantified(
    rng: np.random.Generator, scene: Scene, held_out: bool = False
) -> Several | None:
    """Draw a sentence like "all small circles above the cross"; None where none was found.

    Args:
        rng: Source of randomness.
        scene: The scene.
        held_out: Whether a noun phrase may name a held-out pair of colour and shape (testB).
    """
    for _ in range(ATTEMPTS):
        expression = _draw_expression(rng, scene)
        named = filter(None, (expression.target, expression.anchor))
        if not held_out and any(map(names_held_out, named)):
            continue
        meant = exact_referents(expression, scene)
        if meant is not None and len(meant) > 1:
            text = _say(rng, expression, len(meant))
            if len(text.split()) <= MOST_WORDS:
                return Several(text, meant)
    return None


def draw_conjunction(
    rng: np.random.Generator, said: dict[int, list[tuple[str, str]]], expressions: Referred
) -> Several | None:
    """Join a sentence of each of two objects by "and"; None where all are too long.

    Relations are left out: "the circle above the square and the cross" could be read in two ways.
    """
    choices = [
        (index, text)
        for index, sentences in sorted(said.items())
        for (_, text), expression in zip(sentences, expressions[index], strict=True)
        if expression.relation is None
    ]
    for _ in range(ATTEMPTS):
        if len({index for index, _ in choices}) < 2:
            return None
        (one, first), (other, second) = (choices[i] for i in rng.permutation(len(choices))[:2])
        text = f'{first} and {second}'
        if one != other and len(text.split()) <= MOST_WORDS:
            return Several(text, tuple(sorted((one, other))))
    return None


def generalized_vocabulary() -> tuple[str, ...]:
    """Every word of RefShapes with sentences that mean several objects or none, sorted."""
    texts = [*vocabulary(), *QUANTIFIERS, *PLACES.values(), 'and']
    texts += [_plural(noun) for noun in (*SHAPES, *NOUNS)]
    return tuple(sorted({word for text in texts for word in text.split() if word[0] != '{'}))


def _draw_expression(rng: np.random.Generator, scene: Scene) -> Expression:
    target = _draw_description(rng, scene)
    kind = rng.integers(3)
    if kind == 1:
        places = HALVES + CORNERS
        return Expression('place', target, place=places[rng.integers(len(places))])
    if kind == 2:
        relation = RELATIONS[rng.integers(len(RELATIONS))]
        anchor = _draw_description(rng, scene)
        return Expression('relation', target, relation=relation, anchor=anchor)
    return Expression('attribute', target)


def _draw_description(rng: np.random.Generator, scene: Scene) -> Description:
    """Draw words of one object; most often its colour or shape alone, which others share."""
    thing = scene.objects[rng.integers(len(scene.objects))]
    says = rng.random(3) < (0.25, 0.5, 0.6)
    if not says.any():
        says[2] = True
    words = (word if spoken else None for word, spoken in zip(thing[:3], says, strict=True))
    return Description(*words)


def _say(rng: np.random.Generator, expression: Expression, count: int) -> str:
    templates = QUANTIFIERS if count == 2 else QUANTIFIERS[:-1]
    phrase = noun_phrase(rng, expression.target)
    text = templates[rng.integers(len(templates))].format(np=phrase, plural=_plural(phrase))
    if expression.place is not None:
        return text + PLACES[expression.place]
    if expression.relation is not None:
        words = RELATION_WORDS[expression.relation]
        where = words[rng.integers(len(words))]
        return f'{text} {where} the {noun_phrase(rng, expression.anchor)}'
    return text


def _plural(phrase: str) -> str:
    return f'{phrase}es' if phrase.endswith('s') else f'{phrase}s'
