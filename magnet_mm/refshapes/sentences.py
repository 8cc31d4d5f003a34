# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Which sentences an image of RefShapes gets.

A candidate is an expression that is true of one object alone (:mod:`.semantics`) and that no single
word of it could replace:

* each size, colour, shape and place word, said alone, fits another object too (or is borderline for
  one); a direction counts as the place it names;
* the target's description without its place or relation fits another object too.

Each ref of an image gets one to three sentences, no ref more than half of the image's, so that
an image's sentences can always be exchanged between refs; the kinds take turns.
"""

from __future__ import annotations

from functools import cached_property
from itertools import combinations

import numpy as np

from magnet_mm.refshapes.scene import HELD_OUT, Scene
from magnet_mm.refshapes.semantics import (
    CORNERS,
    DIRECTIONS,
    EXTREMES,
    HALVES,
    KINDS,
    PLACES,
    RELATIONS,
    Description,
    Expression,
    Truth,
    place_truth,
    relation_truth,
)

Referred = dict[int, list[Expression]]

#: How often a place or relation is drawn where others could be said too (1 if not named here):
#: what is true more often is drawn less often. Our choice.
GROUP_WEIGHTS = {
    **dict.fromkeys(CORNERS, 2.0),
    **dict.fromkeys(EXTREMES, 0.6),
    'next to': 0.4,
    'closest to': 0.15,
}


def names_held_out(description: Description) -> bool:
    """Whether one noun phrase names a held-out pair of colour and shape."""
    return (description.colour, description.shape) in HELD_OUT


def draw_kinds(rng: np.random.Generator, most_refs: int) -> list[list[str]]:
    """Draws how many refs an image has (2 to ``most_refs``) and the kinds of each one's sentences.

    The kinds take turns over the image, so that each makes up about a third of a split.
    """
    refs = int(rng.integers(2, most_refs + 1))
    counts = [int(count) for count in rng.integers(1, 4, refs)]
    while 2 * max(counts) > sum(counts):
        counts[counts.index(max(counts))] -= 1
    turns: list[str] = []
    while len(turns) < sum(counts):
        turns += [KINDS[i] for i in rng.permutation(len(KINDS))]
    ends = np.cumsum(counts)
    return [turns[end - count : end] for count, end in zip(counts, ends, strict=True)]


def choose_expressions(
    rng: np.random.Generator, scene: Scene, wanted: list[list[str]], held_out: bool = False
) -> Referred | None:
    """Draws the objects a scene's sentences refer to, and the expressions of each.

    Args:
        rng: Source of randomness.
        scene: The scene.
        wanted: For each ref, the kinds of its sentences.
        held_out: If true (testB), every target is named by a held-out pair of colour and shape; if
            false, no noun phrase names one.

    Returns:
        ``{object index: [expression, ...]}``, one entry per ref, or None when the scene has no such
        expressions.
    """
    candidates = Candidates(scene, held_out)
    free = [int(i) for i in rng.permutation(len(scene.objects))]
    chosen: Referred = {}
    for kinds in wanted:
        for index in free:
            expressions = _draw_expressions(rng, candidates, index, kinds)
            if expressions is not None:
                chosen[index] = expressions
                free.remove(index)
                break
        else:
            return None
    return chosen


def _draw_expressions(
    rng: np.random.Generator, candidates: Candidates, index: int, kinds: list[str]
) -> list[Expression] | None:
    if not all(candidates.of(index, kind) for kind in KINDS if kind in kinds):  # cheapest first
        return None
    drawn: list[Expression] = []
    for kind in kinds:
        groups: dict[str | None, list[Expression]] = {}
        for expression in candidates.of(index, kind):
            if expression not in drawn:
                groups.setdefault(expression.place or expression.relation, []).append(expression)
        if not groups:
            return None
        weights = np.array([GROUP_WEIGHTS.get(name, 1.0) for name in groups])
        group = list(groups.values())[rng.choice(len(groups), p=weights / weights.sum())]
        drawn.append(group[rng.integers(len(group))])
    return drawn


class Candidates:
    """Finds the expressions that may be said of a scene's objects.

    Sets of objects are bit masks (bit ``i`` is object ``i``): this runs on every scene drawn.

    Args:
        scene: The scene.
        held_out: As in :func:`choose_expressions`.
    """

    def __init__(self, scene: Scene, held_out: bool) -> None:
        self.scene = scene
        self.held_out = held_out
        self._known: dict[tuple[int, str], list[Expression]] = {}
        self._fits: dict[Description, int] = {}
        self._related: dict[tuple[str, int], tuple[int, int]] = {}

    def of(self, index: int, kind: str) -> list[Expression]:
        """Return the expressions of a kind that may be said of object ``index``."""
        if (index, kind) not in self._known:
            find = {'attribute': self._attribute, 'place': self._place, 'relation': self._relation}
            self._known[index, kind] = find[kind](index)
        return self._known[index, kind]

    def _attribute(self, index: int) -> list[Expression]:
        return [
            Expression('attribute', description)
            for description in self._descriptions(index, at_least=2)
            if self._may_name_target(description)
            and self._fitting(description) == 1 << index
            and all(self._shared(word, index) for word in _single_words(description))
        ]

    def _place(self, index: int) -> list[Expression]:
        places = [place for place in PLACES if self._says_too_little(place, index)]
        found = []
        for description in self._shared_descriptions(index):
            fitting = self._fitting(description)
            found += [
                Expression('place', description, place=place)
                for place in places
                if self._only(index, *self._placed(place, fitting))
            ]
        return found

    def _relation(self, index: int) -> list[Expression]:
        relations = [
            relation
            for relation in RELATIONS
            if relation not in DIRECTIONS or self._says_too_little(DIRECTIONS[relation], index)
        ]
        found = []
        for description in self._shared_descriptions(index):
            fitting = self._fitting(description)
            for anchor, anchor_descriptions in self._anchors.items():
                if anchor == index:
                    continue
                found += [
                    Expression('relation', description, relation=relation, anchor=words)
                    for relation in relations
                    if self._only(index, *self._in_relation(relation, anchor, fitting))
                    for words in anchor_descriptions
                ]
        return found

    def _descriptions(self, index: int, at_least: int) -> list[Description]:
        words = self.scene.objects[index][:3]
        return [
            Description(**{Description._fields[field]: words[field] for field in fields})
            for number in range(at_least, 4)
            for fields in combinations(range(3), number)
        ]

    def _shared_descriptions(self, index: int) -> list[Description]:
        return [
            description
            for description in self._descriptions(index, at_least=1)
            if (description.colour or description.shape)
            and self._may_name_target(description)
            and self._fitting(description) != 1 << index
        ]

    @cached_property
    def _anchors(self) -> dict[int, list[Description]]:
        """For each object, the descriptions that fit it alone and may name an anchor."""
        return {
            anchor: [
                description
                for description in self._descriptions(anchor, at_least=1)
                if (description.shape or not description.size)
                and (self.held_out or not names_held_out(description))
                and self._fitting(description) == 1 << anchor
            ]
            for anchor in range(len(self.scene.objects))
        }

    def _may_name_target(self, description: Description) -> bool:
        return names_held_out(description) == self.held_out

    def _fitting(self, description: Description) -> int:
        if description not in self._fits:
            self._fits[description] = sum(
                1 << i for i, thing in enumerate(self.scene.objects) if description.fits(thing)
            )
        return self._fits[description]

    def _shared(self, description: Description, index: int) -> bool:
        return self._fitting(description) & ~(1 << index) != 0

    def _says_too_little(self, place: str, index: int) -> bool:
        """Whether the place alone could mean another object as well."""
        parts = [place, *place.split()] if place in CORNERS else [place]
        return all(self._alone[part] & ~(1 << index) for part in parts)

    @cached_property
    def _alone(self) -> dict[str, int]:
        everything = (1 << len(self.scene.objects)) - 1
        return {place: self._placed(place, everything)[1] for place in PLACES}

    @cached_property
    def _halves_and_corners(self) -> dict[str, tuple[int, int]]:
        everything = range(len(self.scene.objects))
        return {
            place: _masks(everything, [place_truth(place, i, (), self.scene) for i in everything])
            for place in HALVES + CORNERS
        }

    def _placed(self, place: str, fitting: int) -> tuple[int, int]:
        """Which of the fitting objects are at the place, surely and possibly."""
        if place not in EXTREMES:
            surely, possibly = self._halves_and_corners[place]
            return surely & fitting, possibly & fitting
        members = _members(fitting)
        return _masks(members, [place_truth(place, i, members, self.scene) for i in members])

    def _in_relation(self, relation: str, anchor: int, fitting: int) -> tuple[int, int]:
        """Which of the fitting objects stand in the relation, surely and possibly."""
        if relation == 'closest to':
            members = _members(fitting & ~(1 << anchor))
            if len(members) < 2:
                return 0, 0
            return self._relation_masks(relation, anchor, members)
        if (relation, anchor) not in self._related:
            everything = list(range(len(self.scene.objects)))
            masks = self._relation_masks(relation, anchor, everything)
            self._related[relation, anchor] = masks
        surely, possibly = self._related[relation, anchor]
        return surely & fitting, possibly & fitting

    def _relation_masks(self, relation: str, anchor: int, members: list[int]) -> tuple[int, int]:
        return _masks(
            members, [relation_truth(relation, i, anchor, members, self.scene) for i in members]
        )

    @staticmethod
    def _only(index: int, surely: int, possibly: int) -> bool:
        return surely == possibly == 1 << index


def _single_words(description: Description) -> list[Description]:
    return [
        Description(**{field: word})
        for field, word in zip(Description._fields, description, strict=True)
        if word is not None
    ]


def _members(mask: int) -> list[int]:
    return [i for i in range(mask.bit_length()) if mask >> i & 1]


def _masks(members: list[int] | range, truths: list[Truth]) -> tuple[int, int]:
    """Return the members whose truth is True, and those whose truth is not False."""
    surely = sum(1 << i for i, truth in zip(members, truths, strict=True) if truth)
    possibly = sum(1 << i for i, truth in zip(members, truths, strict=True) if truth is not False)
    return surely, possibly
