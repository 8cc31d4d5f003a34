# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""How RefShapes says things: several wordings per meaning, lower case as in RefCOCO.

A wording is a template with ``{np}`` (the target's noun phrase), ``{anchor}`` and ``{where}``. No
two meanings share a wording, so a sentence can be read back without doubt. All words are our
choice.
"""

from __future__ import annotations

import numpy as np

from magnet_mm.refshapes.scene import COLOURS, SHAPES
from magnet_mm.refshapes.semantics import CORNERS, Description, Expression

#: Words for an object whose shape is not said.
NOUNS = ('shape', 'object', 'thing', 'one')
SIZE_WORDS = {'large': ('large', 'big'), 'small': ('small', 'little')}

ATTRIBUTE_WORDINGS = ('{np}', 'the {np}')
#: Wordings that say the colour after the noun.
COLOUR_LAST_WORDINGS = ('{np} in {colour}', 'the {np} that is {colour}')

_HALF_WORDINGS = {
    'side': ('{where} {np}', '{np} {where}', 'the {np} on the {where}', '{np} on the {where} side'),
    'end': ('{where} {np}', '{np} {where}', 'the {np} at the {where}', '{np} at the {where}'),
}
_CORNER_WORDINGS = (
    '{where} {np}',
    '{np} {where}',
    'the {np} in the {where}',
    'the {np} in the {where} corner',
)
_EXTREME_WORDINGS = {
    'leftmost': ('leftmost {np}', 'the leftmost {np}', 'the {np} furthest to the left'),
    'rightmost': ('rightmost {np}', 'the rightmost {np}', 'the {np} furthest to the right'),
    'topmost': ('topmost {np}', 'highest {np}', 'the highest {np}'),
    'bottommost': ('bottommost {np}', 'lowest {np}', 'the lowest {np}'),
}
CORNER_WORDS = {
    'top left': ('top left', 'upper left'),
    'top right': ('top right', 'upper right'),
    'bottom left': ('bottom left', 'lower left'),
    'bottom right': ('bottom right', 'lower right'),
}
RELATION_WORDINGS = (
    '{np} {where} {anchor}',
    '{np} {where} the {anchor}',
    'the {np} {where} the {anchor}',
    'the {np} that is {where} the {anchor}',
)
RELATION_WORDS = {
    'left of': ('left of', 'to the left of'),
    'right of': ('right of', 'to the right of'),
    'above': ('above', 'over'),
    'below': ('below', 'under'),
    'next to': ('next to', 'beside'),
    'closest to': ('closest to', 'nearest to'),
}


def place_wordings(place: str) -> tuple[str, ...]:
    """Return the templates for a place."""
    if place in CORNERS:
        return _CORNER_WORDINGS
    if place in _EXTREME_WORDINGS:
        return _EXTREME_WORDINGS[place]
    return _HALF_WORDINGS['side' if place in ('left', 'right') else 'end']


def say(rng: np.random.Generator, expression: Expression) -> str:
    """Words an expression, drawing one of its wordings."""
    target = expression.target
    if expression.place is not None:
        where = _draw(rng, CORNER_WORDS.get(expression.place, (expression.place,)))
        template = _draw(rng, place_wordings(expression.place))
        return template.format(np=noun_phrase(rng, target), where=where)
    if expression.relation is not None:
        return _draw(rng, RELATION_WORDINGS).format(
            np=noun_phrase(rng, target),
            where=_draw(rng, RELATION_WORDS[expression.relation]),
            anchor=noun_phrase(rng, expression.anchor),
        )
    if target.colour is not None and rng.random() < 0.3:
        rest = noun_phrase(rng, target._replace(colour=None))
        return _draw(rng, COLOUR_LAST_WORDINGS).format(np=rest, colour=target.colour)
    return _draw(rng, ATTRIBUTE_WORDINGS).format(np=noun_phrase(rng, target))


def noun_phrase(rng: np.random.Generator, description: Description) -> str:
    """Words a description without article: "big red circle", "small blue thing"."""
    size = [_draw(rng, SIZE_WORDS[description.size])] if description.size else []
    colour = [description.colour] if description.colour else []
    return ' '.join([*size, *colour, description.shape or _draw(rng, NOUNS)])


def vocabulary() -> tuple[str, ...]:
    """Every word :func:`say` can write, sorted."""
    texts = [*SHAPES, *COLOURS, *NOUNS, *ATTRIBUTE_WORDINGS, *COLOUR_LAST_WORDINGS]
    texts += [*_CORNER_WORDINGS, *RELATION_WORDINGS, *_EXTREME_WORDINGS]
    for table in (SIZE_WORDS, CORNER_WORDS, RELATION_WORDS, _HALF_WORDINGS, _EXTREME_WORDINGS):
        texts += [text for wordings in table.values() for text in wordings]
    words = {word for text in texts for word in text.split() if not word.startswith('{')}
    return tuple(sorted(words))


def _draw(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    return choices[rng.integers(len(choices))]
