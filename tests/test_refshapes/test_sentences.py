# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""RefShapes' sentences: true of one object alone, and not by any single word.

Checked twice: on the meanings, with the three-valued semantics; and on the files, by reading each
sentence's text back with the small independent reader below and looking at the annotations alone.
"""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

import numpy as np
import pytest

from magnet_mm.refshapes import HELD_OUT, SPLITS, make_example, referents
from magnet_mm.refshapes.scene import Scene, SceneObject
from magnet_mm.refshapes.semantics import Expression, expression_truth, word_referents
from magnet_mm.refshapes.sentences import Candidates, choose_expressions, draw_kinds

COLOURS = {'red', 'green', 'blue', 'yellow', 'purple', 'white'}
SHAPES = {'circle', 'square', 'triangle', 'cross'}
SIZES = {'large': 'large', 'big': 'large', 'small': 'small', 'little': 'small'}
SIDES = {'left': 'left', 'right': 'right', 'top': 'top', 'upper': 'top'}
SIDES |= {'bottom': 'bottom', 'lower': 'bottom'}
EXTREMES = {'leftmost': 'left', 'rightmost': 'right', 'topmost': 'top', 'highest': 'top'}
EXTREMES |= {'bottommost': 'bottom', 'lowest': 'bottom'}
RELATIONS = {'to the left of': 'left', 'left of': 'left', 'to the right of': 'right'}
RELATIONS |= {'right of': 'right', 'above': 'top', 'over': 'top', 'below': 'bottom'}
RELATIONS |= {'under': 'bottom', 'next to': 'near', 'beside': 'near'}
RELATIONS |= {'closest to': 'near', 'nearest to': 'near'}
FILLERS = set('the that is in on at side corner shape object thing one'.split())
RELATION = re.compile(rf'^(.+?) ({"|".join(RELATIONS)}) (.+)$')


class Read(NamedTuple):
    """A sentence read back: the words of each phrase, sides, extreme, and relation."""

    target: dict[str, str]
    sides: list[str]
    extreme: str | None
    relation: str | None
    anchor: dict[str, str]


def read_sentence(text: str) -> Read:
    match = RELATION.match(text)
    if match:
        (target, *_), (anchor, *_) = read_phrase(match[1]), read_phrase(match[3])
        return Read(target, [], None, RELATIONS[match[2]], anchor)
    text, far = re.subn(r' furthest to the (left|right)$', r' \1most', text)
    target, sides, extreme = read_phrase(text)
    return Read(target, sides, extreme, None, {})


def read_phrase(text: str) -> tuple[dict[str, str], list[str], str | None]:
    words, sides, extreme = {}, [], None
    for word in text.split():
        if word in COLOURS:
            words['colour'] = word
        elif word in SHAPES:
            words['shape'] = word
        elif word in SIZES:
            words['size'] = SIZES[word]
        elif word in SIDES:
            sides.append(SIDES[word])
        elif word in EXTREMES:
            extreme = EXTREMES[word]
        else:
            assert word in FILLERS, text
    return words, sides, extreme


def objects_of(refshapes: Any, image_id: int) -> dict[int, dict[str, Any]]:
    names = {c['id']: c['name'] for c in refshapes.instances['categories']}
    return {
        annotation['id']: {'shape': names[annotation['category_id']], **annotation['attributes']}
        for annotation in refshapes.annotations.values()
        if annotation['image_id'] == image_id
    }


def fitting(words: dict[str, str], objects: dict[int, dict[str, Any]]) -> list[int]:
    return [i for i, thing in objects.items() if all(thing[k] == v for k, v in words.items())]


def from_side(side: str, thing: dict[str, Any], image: dict[str, int]) -> float:
    x, y = thing['centre'][0] / image['width'], thing['centre'][1] / image['height']
    return {'left': x, 'right': 1 - x, 'top': y, 'bottom': 1 - y}[side]


def off_direction(side: str, thing: dict[str, Any], anchor: dict[str, Any]) -> float:
    """Degrees between the direction from anchor to thing and the side's own."""
    right, down = np.subtract(thing['centre'], anchor['centre'])
    ideal = {'left': 180, 'right': 0, 'top': 90, 'bottom': -90}[side]
    difference = math.degrees(math.atan2(-down, right)) - ideal
    return abs((difference + 180) % 360 - 180)


def gap(thing: dict[str, Any], anchor: dict[str, Any]) -> float:
    distance = math.dist(thing['centre'], anchor['centre'])
    return distance - (thing['extent'] + anchor['extent']) / 2


def meant(read: Read, objects: dict[int, dict[str, Any]], image: dict[str, int]) -> list[int]:
    """The objects that a plain reader takes the sentence to mean."""
    candidates = fitting(read.target, objects)
    if read.sides:
        return [
            i
            for i in candidates
            if all(from_side(side, objects[i], image) < 0.5 for side in read.sides)
        ]
    if read.extreme:
        return [min(candidates, key=lambda i: from_side(read.extreme, objects[i], image))]
    if read.relation is None:
        return candidates
    (anchor,) = fitting(read.anchor, objects)
    others = [i for i in candidates if i != anchor]
    if read.relation == 'near':
        return [min(others, key=lambda i: gap(objects[i], objects[anchor]))]
    return [i for i in others if off_direction(read.relation, objects[i], objects[anchor]) < 60]


def test_every_text_means_its_ref_alone(refshapes):
    number = 0
    for ref in refshapes.refs:
        objects = objects_of(refshapes, ref['image_id'])
        for sentence in ref['sentences']:
            read = read_sentence(sentence['raw'])
            kind = 'relation' if read.relation else 'attribute'
            kind = 'place' if read.sides or read.extreme else kind
            assert kind == sentence['kind'], sentence
            image = refshapes.images[ref['image_id']]
            assert meant(read, objects, image) == [ref['ann_id']], sentence
            number += 1
    assert number > 600


def test_no_word_of_a_text_means_its_ref_alone(refshapes):
    for ref in refshapes.refs:
        objects = objects_of(refshapes, ref['image_id'])
        for sentence in ref['sentences']:
            read = read_sentence(sentence['raw'])
            for words in (read.target, read.anchor):
                for key, word in words.items():
                    assert fitting({key: word}, objects) != [ref['ann_id']], sentence
            if sentence['kind'] == 'attribute':
                assert len(read.target) >= 2, sentence
            else:
                assert len(fitting(read.target, objects)) >= 2, sentence


@pytest.mark.parametrize('split', SPLITS)
def test_meanings_are_true_of_one_object_and_false_of_the_others(split):
    for number in range(40):
        example = make_example(11, split, number)
        for index, expressions in example.expressions.items():
            for expression in expressions:
                assert expression_truth(expression, index, example.scene) is True
                assert referents(expression, example.scene) == (index,)
                for word, could_mean in word_referents(expression, example.scene).items():
                    assert set(could_mean) - {index}, (expression, word)
                if expression.kind != 'attribute':
                    bare = Expression('attribute', expression.target)
                    assert len(referents(bare, example.scene)) >= 2


def test_held_out_pairs_are_named_in_testb_alone(refshapes):
    named = {split: set() for split in SPLITS}
    for ref in refshapes.refs:
        objects = objects_of(refshapes, ref['image_id'])
        for sentence in ref['sentences']:
            read = read_sentence(sentence['raw'])
            pairs = [(words.get('colour'), words.get('shape')) for words in read[::4]]
            named[ref['split']].update(pairs)
            if ref['split'] == 'testB':
                assert pairs[0] in HELD_OUT, sentence
                target = objects[ref['ann_id']]
                assert (target['colour'], target['shape']) == pairs[0]
    for split in ('train', 'val', 'testA'):
        assert not named[split] & HELD_OUT
        assert len(named[split]) > 20
    assert named['testB'] >= HELD_OUT


def test_held_out_words_are_learned_apart():
    assert HELD_OUT <= {(colour, shape) for colour in COLOURS for shape in SHAPES}
    assert len({colour for colour, _ in HELD_OUT}) == len({s for _, s in HELD_OUT}) == 4


def candidates_of(*words: tuple[str, float, float], held_out: bool = False) -> Candidates:
    things = [SceneObject(*text.split(), x=x, y=y, extent=20.0, angle=0.0) for text, x, y in words]
    return Candidates(Scene(100, 100, tuple(things)), held_out)


def test_attributes_need_two_words_that_are_shared():
    found = candidates_of(
        ('large red circle', 20, 20), ('large red cross', 80, 20), ('small blue circle', 20, 80)
    )
    said = {expression.target.words for expression in found.of(0, 'attribute')}
    assert said == {('large', 'circle'), ('red', 'circle'), ('large', 'red', 'circle')}
    assert found.of(1, 'attribute') == []  # "cross" alone would do


def test_places_need_others_that_fit_and_others_at_the_place():
    found = candidates_of(
        ('large red circle', 20, 20), ('large red circle', 80, 20), ('large red cross', 20, 80)
    )
    said = {(e.place, e.target.words) for e in found.of(0, 'place')}
    assert ('left', ('circle',)) in said
    assert ('left', ('red',)) not in said  # the cross is red and on the left
    assert all(place != 'top left' for place, _ in said)  # nothing else is there
    said = {(e.place, e.target.words) for e in found.of(1, 'place')}
    assert said == set()  # on the right there is nothing else


def test_held_out_pairs_decide_the_targets():
    scene = [('large green circle', 20, 20), ('small green circle', 80, 20)]
    scene += [('large red circle', 20, 80), ('small green cross', 70, 80)]
    said = {e.target.words for e in candidates_of(*scene).of(0, 'attribute')}
    assert said == {('large', 'green')}
    said = {e.target.words for e in candidates_of(*scene, held_out=True).of(0, 'attribute')}
    assert said == {('large', 'green', 'circle')}


def test_kinds_take_turns_and_no_ref_has_most():
    rng = np.random.default_rng(0)
    for _ in range(200):
        wanted = draw_kinds(rng, 4)
        counts = [len(kinds) for kinds in wanted]
        assert 2 <= len(wanted) <= 4
        assert 1 <= min(counts) and max(counts) <= 3 and 2 * max(counts) <= sum(counts)
        flat = [kind for kinds in wanted for kind in kinds]
        numbers = [flat.count(kind) for kind in ('attribute', 'place', 'relation')]
        assert max(numbers) - min(numbers) <= 1


def test_scene_without_the_wanted_kinds_is_refused():
    found = candidates_of(('large red circle', 20, 20), ('large red cross', 80, 20))
    rng = np.random.default_rng(0)
    wanted = [['attribute'], ['attribute']]
    assert choose_expressions(rng, found.scene, wanted) is None
