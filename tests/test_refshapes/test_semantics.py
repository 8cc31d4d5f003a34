# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The meaning of RefShapes' expressions, on scenes laid out by hand."""

from __future__ import annotations

import pytest

from magnet_mm.refshapes.scene import Scene, SceneObject
from magnet_mm.refshapes.semantics import (
    Description,
    Expression,
    all_of,
    expression_truth,
    place_truth,
    referents,
    relation_truth,
    word_referents,
)


def thing(words: str, x: float, y: float) -> SceneObject:
    size, colour, shape = words.split()
    return SceneObject(size, colour, shape, x, y, extent=20.0, angle=0.0)


#: 100 x 100 pixels; 0 and 1 share a row, 2 lies below 0, 3 in the bottom right.
SCENE = Scene(
    100,
    100,
    (
        thing('large red circle', 20, 20),
        thing('small red circle', 80, 20),
        thing('large blue circle', 20, 80),
        thing('small blue square', 75, 70),
    ),
)
EVERYTHING = range(4)


def test_all_of():
    assert all_of([True, True]) is True
    assert all_of([True, None]) is None
    assert all_of([None, False]) is False


@pytest.mark.parametrize(
    ('x', 'left', 'right', 'corner'),
    [
        (37, True, False, True),
        (40, True, False, None),
        (44, True, False, None),
        (46, None, None, None),
        (54, None, None, None),
        (56, False, True, False),
    ],
)
def test_halves_and_corners(x, left, right, corner):
    scene = Scene(100, 100, (thing('large red circle', x, 20),))
    assert place_truth('left', 0, [0], scene) is left
    assert place_truth('right', 0, [0], scene) is right
    assert place_truth('top left', 0, [0], scene) is corner
    assert place_truth('bottom left', 0, [0], scene) is False


@pytest.mark.parametrize(
    ('second', 'truths'), [(31, (True, False)), (29, (None, None)), (9, (False, True))]
)
def test_extreme_needs_a_margin_of_ten_percent(second, truths):
    scene = Scene(
        100, 100, (thing('large red square', 20, 50), thing('small red square', second, 50))
    )
    assert tuple(place_truth('leftmost', i, [0, 1], scene) for i in range(2)) == truths


def test_extreme_compares_what_fits_alone():
    assert place_truth('bottommost', 3, [1, 3], SCENE) is True
    assert place_truth('bottommost', 3, EVERYTHING, SCENE) is False  # 2 lies 10 % lower


@pytest.mark.parametrize(
    ('x', 'y', 'truth'),
    [
        (50, 20, True),
        (74, 20, True),  # 38.7 degrees off
        (77, 20, None),  # 42 degrees off
        (50, 42, None),  # above, but by 8 %
        (90, 41, None),  # 77.3 degrees off
        (90, 44, False),  # 81.5 degrees off
        (50, 60, False),
    ],
)
def test_above(x, y, truth):
    scene = Scene(100, 100, (thing('small red square', x, y), thing('large red cross', 50, 50)))
    assert relation_truth('above', 0, 1, [0], scene) is truth


def test_directions_are_the_right_way_round():
    true = {
        (relation, i, j)
        for relation in ('left of', 'right of', 'above', 'below')
        for i in EVERYTHING
        for j in EVERYTHING
        if relation_truth(relation, i, j, EVERYTHING, SCENE)
    }
    assert true == {
        ('left of', 0, 1),
        ('right of', 1, 0),
        ('above', 0, 2),
        ('below', 2, 0),
        ('above', 1, 3),
        ('below', 3, 1),
        ('left of', 2, 3),
        ('right of', 3, 2),
    }


@pytest.mark.parametrize(('x', 'truth'), [(82, True), (83, None), (97, None), (98, False)])
def test_next_to_measures_the_gap(x, truth):
    # Extents 20: the gap is the distance less 20; 12 and 28 pixels are the limits.
    scene = Scene(100, 100, (thing('small red square', x, 50), thing('large red cross', 50, 50)))
    assert relation_truth('next to', 0, 1, [0], scene) is truth


def test_closest_to_leaves_the_anchor_out():
    assert relation_truth('closest to', 3, 3, EVERYTHING, SCENE) is False
    assert relation_truth('closest to', 1, 3, [0, 1, 2], SCENE) is None  # 50.2 against 55.9
    assert relation_truth('closest to', 1, 3, [0, 1], SCENE) is True
    assert relation_truth('closest to', 0, 3, [0, 1], SCENE) is False


def test_referents_of_each_kind():
    red_circle = Description(colour='red', shape='circle')
    assert referents(Expression('attribute', red_circle), SCENE) == (0, 1)
    assert referents(Expression('attribute', red_circle._replace(size='small')), SCENE) == (1,)
    assert referents(Expression('place', Description(shape='circle'), place='right'), SCENE) == (1,)
    relation = Expression(
        'relation',
        Description(shape='circle'),
        relation='right of',
        anchor=Description(size='large', colour='red'),
    )
    assert referents(relation, SCENE) == (1,)
    assert expression_truth(relation, 1, SCENE) is True
    # Object 0 lies 42 degrees off "above" the square: borderline, so two objects could be meant.
    unclear = relation._replace(relation='above', anchor=Description(shape='square'))
    assert expression_truth(unclear, 1, SCENE) is True
    assert expression_truth(unclear, 0, SCENE) is None
    assert referents(unclear, SCENE) == (0, 1)


def test_anchor_has_to_be_one_object():
    base = Expression('relation', Description(shape='circle'), relation='above')
    two = base._replace(anchor=Description(colour='blue'))
    none = base._replace(anchor=Description(colour='green'))
    assert expression_truth(two, 0, SCENE) is None
    assert expression_truth(none, 0, SCENE) is False


def test_word_referents():
    expression = Expression(
        'relation',
        Description(colour='red', shape='circle'),
        relation='above',
        anchor=Description(shape='square'),
    )
    assert word_referents(expression, SCENE) == {
        'red': (0, 1),
        'circle': (0, 1, 2),
        'square': (3,),
        'top': (0, 1),
    }
    corner = Expression('place', Description(colour='red'), place='top left')
    assert word_referents(corner, SCENE) == {
        'red': (0, 1),
        'top left': (0,),
        'top': (0, 1),
        'left': (0, 2),
    }
