# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What RefShapes' expressions mean: of which objects of a scene each one is true.

Every statement has three values: ``True``, ``False`` and ``None`` (a borderline case on which
people could disagree). A sentence is written only when it is ``True`` of exactly one object and
``False`` of all others, so that borderline cases never decide. Distances are between centres; all
margins are our choice.

* *description*: size, colour and shape words, each equal to the object's; no borderline.
* *half* (``left``, ``right``, ``top``, ``bottom``): true when the centre lies in the first 45 % of
  the image from that side, false beyond 55 %.
* *corner* (``top left`` ...): true when the centre lies in the first 38 % from both sides, false
  when beyond 55 % from either.
* *extreme* (``leftmost`` ...), among the objects that fit the description: true when the next one
  is at least 10 % of the image's width (height) further in; false when 10 % behind the first.
* *direction* (``left of``, ``right of``, ``above``, ``below`` the anchor): true when the target
  lies within 40 degrees of that direction and at least 10 % of the short side away along it;
  false when it is more than 80 degrees off.
* ``next to``: the gap between the two (distance less half their extents) is at most 12 % of the
  short side; false from 28 %.
* ``closest to``, among the objects that fit the description, the anchor aside: true when the gap
  is smaller than the next one by 8 % of the short side; false when larger than the smallest by
  that.

An anchor's description fits exactly one object.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from magnet_mm.refshapes.scene import Scene, SceneObject

KINDS = ('attribute', 'place', 'relation')
HALVES = ('left', 'right', 'top', 'bottom')
CORNERS = ('top left', 'top right', 'bottom left', 'bottom right')
EXTREMES = ('leftmost', 'rightmost', 'topmost', 'bottommost')
PLACES = HALVES + CORNERS + EXTREMES
DIRECTIONS = {'left of': 'left', 'right of': 'right', 'above': 'top', 'below': 'bottom'}
RELATIONS = (*DIRECTIONS, 'next to', 'closest to')

HALF_TRUE, CORNER_TRUE, HALF_FALSE = 0.45, 0.38, 0.55
EXTREME_MARGIN = 0.10
DIRECTION_TRUE, DIRECTION_FALSE = math.tan(math.radians(40)), math.tan(math.radians(80))
DIRECTION_DISTANCE = 0.10
NEXT_TRUE, NEXT_FALSE = 0.12, 0.28
CLOSEST_MARGIN = 0.08

Truth = bool | None


class Description(NamedTuple):
    """The words of one noun phrase; ``None`` where it says nothing."""

    size: str | None = None
    colour: str | None = None
    shape: str | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The content words that are said."""
        return tuple(word for word in self if word is not None)

    def fits(self, thing: SceneObject) -> bool:
        """Whether every word said is true of the object."""
        return (
            self.size in (None, thing.size)
            and self.colour in (None, thing.colour)
            and self.shape in (None, thing.shape)
        )


class Expression(NamedTuple):
    """The meaning of a sentence.

    ``place`` is set for the kind place, ``relation`` and ``anchor`` for the kind relation.
    """

    kind: str
    target: Description
    place: str | None = None
    relation: str | None = None
    anchor: Description | None = None


def all_of(values: Iterable[Truth]) -> Truth:
    """Three-valued "and"."""
    values = tuple(values)
    if False in values:
        return False
    return None if None in values else True


def place_truth(place: str, index: int, fitting: Sequence[int], scene: Scene) -> Truth:
    """Whether object ``index`` is at ``place``; ``fitting`` are the objects an extreme compares."""
    if place in CORNERS:
        return all_of(_half_truth(half, CORNER_TRUE, index, scene) for half in place.split())
    if place in HALVES:
        return _half_truth(place, HALF_TRUE, index, scene)
    half = place.removesuffix('most')
    return _smallest(
        {i: _inward(half, scene.objects[i], scene) for i in {*fitting, index}},
        index,
        EXTREME_MARGIN,
    )


def relation_truth(
    relation: str, index: int, anchor: int, fitting: Sequence[int], scene: Scene
) -> Truth:
    """Whether object ``index`` stands in ``relation`` to object ``anchor``."""
    if index == anchor:
        return False
    target, other = scene.objects[index], scene.objects[anchor]
    if relation in DIRECTIONS:
        return _direction_truth(DIRECTIONS[relation], target, other, scene)
    if relation == 'next to':
        gap = _gap(target, other, scene)
        return None if NEXT_TRUE < gap < NEXT_FALSE else gap <= NEXT_TRUE
    gaps = {i: _gap(scene.objects[i], other, scene) for i in {*fitting, index} if i != anchor}
    return _smallest(gaps, index, CLOSEST_MARGIN)


def expression_truth(expression: Expression, index: int, scene: Scene) -> Truth:
    """Whether ``expression`` is true of object ``index``; None when borderline."""
    fitting = [i for i, thing in enumerate(scene.objects) if expression.target.fits(thing)]
    if index not in fitting:
        return False
    if expression.place is not None:
        return place_truth(expression.place, index, fitting, scene)
    if expression.relation is None:
        return True
    anchors = [i for i, thing in enumerate(scene.objects) if expression.anchor.fits(thing)]
    if len(anchors) != 1:
        return None if anchors else False
    return relation_truth(expression.relation, index, anchors[0], fitting, scene)


def referents(expression: Expression, scene: Scene) -> tuple[int, ...]:
    """Return the objects of which the expression is not clearly false, in scene order.

    A sentence of the data set has exactly one, and is ``True`` of it.
    """
    return tuple(
        i for i in range(len(scene.objects)) if expression_truth(expression, i, scene) is not False
    )


def exact_referents(expression: Expression, scene: Scene) -> tuple[int, ...] | None:
    """Return the objects of which the expression is true; None where one is borderline.

    An empty tuple says that it is false of every object: nothing in the scene is meant.
    """
    truths = [expression_truth(expression, i, scene) for i in range(len(scene.objects))]
    if None in truths:
        return None
    return tuple(i for i, truth in enumerate(truths) if truth)


def word_referents(expression: Expression, scene: Scene) -> dict[str, tuple[int, ...]]:
    """For each content word of the expression, the objects that the word alone could mean.

    A relation is read as the bare place it names ("above" as "top"); "next to" and "closest to"
    alone could mean every object. The data set's rule: no entry is the target alone.
    """
    alone = {
        word: referents(Expression('attribute', Description(**{field: word})), scene)
        for description in (expression.target, expression.anchor or Description())
        for field, word in zip(Description._fields, description, strict=True)
        if word is not None
    }
    place = expression.place or DIRECTIONS.get(expression.relation)
    if place is not None:
        words = [place, *place.split()] if place in CORNERS else [place]
        for word in words:
            alone[word] = referents(Expression('place', Description(), place=word), scene)
    elif expression.relation is not None:
        alone[expression.relation] = tuple(range(len(scene.objects)))
    return alone


def _inward(half: str, thing: SceneObject, scene: Scene) -> float:
    """How far the centre lies from that side of the image, as a share of the image."""
    share = thing.x / scene.width if half in ('left', 'right') else thing.y / scene.height
    return share if half in ('left', 'top') else 1 - share


def _half_truth(half: str, limit: float, index: int, scene: Scene) -> Truth:
    inward = _inward(half, scene.objects[index], scene)
    return None if limit <= inward <= HALF_FALSE else inward < limit


def _gap(one: SceneObject, other: SceneObject, scene: Scene) -> float:
    distance = math.hypot(one.x - other.x, one.y - other.y)
    return (distance - (one.extent + other.extent) / 2) / scene.short_side


def _smallest(values: dict[int, float], index: int, margin: float) -> Truth:
    rest = min((value for i, value in values.items() if i != index), default=math.inf)
    if values[index] + margin <= rest:
        return True
    return False if values[index] >= rest + margin else None


def _direction_truth(half: str, target: SceneObject, other: SceneObject, scene: Scene) -> Truth:
    right, down = target.x - other.x, target.y - other.y
    along, across = {
        'left': (-right, abs(down)),
        'right': (right, abs(down)),
        'top': (-down, abs(right)),
        'bottom': (down, abs(right)),
    }[half]
    if along <= 0 or across > DIRECTION_FALSE * along:
        return False
    if across <= DIRECTION_TRUE * along and along >= DIRECTION_DISTANCE * scene.short_side:
        return True
    return None
