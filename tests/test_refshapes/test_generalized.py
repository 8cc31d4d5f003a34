# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Sentences that mean nothing or several objects, and pairs: verified against the scenes."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from magnet_mm.datasets.annotations.refer_annotations import load_records
from magnet_mm.datasets.tokenizers import build_tokenizer
from magnet_mm.refshapes import make_example, write_refshapes
from magnet_mm.refshapes.edits import differing_words, edited_meanings, edits
from magnet_mm.refshapes.generalized import GREFS, PAIRS, make_generalized
from magnet_mm.refshapes.scene import HELD_OUT, Scene, SceneObject
from magnet_mm.refshapes.semantics import Description, Expression, exact_referents
from magnet_mm.refshapes.several import generalized_vocabulary


def thing(size, colour, shape, x, y):
    return SceneObject(size, colour, shape, x, y, 20.0, 0.0)


SCENE = Scene(
    100,
    100,
    (
        thing('large', 'red', 'circle', 20, 20),
        thing('small', 'red', 'circle', 80, 20),
        thing('large', 'blue', 'square', 50, 80),
    ),
)


@pytest.mark.parametrize(
    ('expression', 'meant'),
    [
        (Expression('attribute', Description(colour='red')), (0, 1)),
        (Expression('attribute', Description(colour='green')), ()),
        (Expression('place', Description(shape='circle'), place='left'), (0,)),
        (Expression('place', Description(shape='square'), place='left'), None),  # in the middle
        (Expression('place', Description(shape='square'), place='top'), ()),
    ],
)
def test_what_is_meant_exactly(expression, meant):
    assert exact_referents(expression, SCENE) == meant


def test_one_word_is_exchanged():
    expression = Expression('place', Description(colour='red', shape='circle'), place='top left')
    found = list(edited_meanings(expression))
    assert [word for word, _ in found] == ['colour'] * 5 + ['shape'] * 3 + ['place'] * 2
    assert found[-2:] == [
        ('place', expression._replace(place='top right')),
        ('place', expression._replace(place='bottom left')),
    ]
    assert differing_words('the red circle', 'the red cross') == 1
    assert differing_words('red circle', 'the red circle') is None


@pytest.fixture(scope='module')
def examples():
    return [(number, make_example(3, 'val', number)) for number in range(25)]


def test_edits_mean_what_they_say(examples):
    """The sentence, its edit and the edit's meaning agree, for every edit of 25 images."""
    nothing = another = 0
    for _, example in examples:
        for index, said in example.expressions.items():
            for number, expression in enumerate(said):
                draws = example.draws[index][number]
                kinds = {word: [] for word, _ in edited_meanings(expression)}
                for word, edited in edited_meanings(expression):
                    kinds[word].append(exact_referents(edited, example.scene))
                for edit in edits(example.scene, index, number, expression, draws):
                    text = example.sentences[index][number][1]
                    assert differing_words(text, edit.text) == 1
                    meant = () if edit.referent is None else (edit.referent,)
                    assert meant in kinds[edit.word] and edit.referent != index
                    nothing, another = nothing + (not meant), another + bool(meant)
                    assert not any(f'{colour} {shape}' in edit.text for colour, shape in HELD_OUT)
    assert nothing > 100 and another > 50


def test_the_files(refshapes):
    folder = refshapes.root / 'refshapes'
    grefs = json.loads((folder / GREFS).read_text(encoding='utf-8'))
    sentences = {said['sent_id']: said['sent'] for gref in grefs for said in gref['sentences']}
    assert len(sentences) == sum(len(gref['sentences']) for gref in grefs)
    single = [gref for gref in grefs if len(gref['ann_id']) == 1 and not gref['no_target']]
    assert [gref['ref_id'] for gref in single] == [ref['ref_id'] for ref in refshapes.refs]
    assert all(
        gref['ann_id'] == [ref['ann_id']] for gref, ref in zip(single, refshapes.refs, strict=True)
    )
    absent = [gref for gref in grefs if gref['split'] == 'val_absent']
    assert len(absent) > 80 and all(gref['ann_id'] == [-1] for gref in absent)
    for gref in absent:
        [said] = gref['sentences']
        assert differing_words(said['sent'], sentences[said['edit_of']]) == 1
    for split in ('train', 'val', 'testA', 'testB'):
        records = load_records(
            str(folder / 'instances.json'), str(folder / GREFS), split, generalized=True
        )
        kinds = {said['kind'] for record in records for said in record['sentences']}
        assert kinds == {'no-target', 'single-target', 'multi-target'}


def test_several_objects_fit_their_sentence(refshapes):
    """Of "all red circles" every object of that colour and shape is meant, and no other."""
    grefs = json.loads((refshapes.root / 'refshapes' / GREFS).read_text(encoding='utf-8'))
    shapes = {c['id']: c['name'] for c in refshapes.instances['categories']}
    plurals = {f'{name}es' if name == 'cross' else f'{name}s': name for name in shapes.values()}
    checked = 0
    for gref in grefs:
        words = gref['sentences'][0]['sent'].split()
        if len(gref['ann_id']) < 2 or words[:-2] not in (['all'], ['all', 'the'], ['the']):
            continue
        colour, shape = words[-2:]
        if shape in plurals and colour not in ('large', 'big', 'small', 'little', 'the'):
            fitting = [
                annotation['id']
                for annotation in refshapes.annotations.values()
                if annotation['image_id'] == gref['image_id']
                and annotation['attributes']['colour'] == colour
                and shapes[annotation['category_id']] == plurals[shape]
            ]
            assert gref['ann_id'] == fitting
            checked += 1
    assert checked >= 3


def test_pairs_are_refcoco(refshapes):
    folder = refshapes.root / 'refshapes'
    refs = pickle.loads((folder / PAIRS).read_bytes())
    assert len(refs) >= 60 and [ref['ref_id'] for ref in refs] == list(range(len(refs)))
    for one, other in zip(refs[::2], refs[1::2], strict=True):
        assert one['image_id'] == other['image_id'] and one['ann_id'] != other['ann_id']
        texts = [ref['sentences'][0]['sent'] for ref in (one, other)]
        assert differing_words(*texts) == 1
    for ref in refs:
        assert ref['category_id'] == refshapes.annotations[ref['ann_id']]['category_id']
    records = load_records(str(folder / 'instances.json'), str(folder / PAIRS), 'val_pairs')
    assert len(records) == len(refs)


def test_an_earlier_data_set_is_completed(tmp_path):
    counts = {'train': 2, 'val': 2, 'testA': 1, 'testB': 1}
    root = tmp_path / 'refshapes'
    write_refshapes(root, seed=5, counts=counts)
    files = [root / 'refshapes' / name for name in (GREFS, PAIRS)]
    before = [file.read_bytes() for file in files]
    files[0].unlink()
    assert write_refshapes(root, seed=5, counts=counts) is True
    assert [file.read_bytes() for file in files] == before
    assert write_refshapes(root, seed=5, counts=counts) is False


def test_draws_depend_on_seed_split_and_number_alone(examples):
    number, example = examples[0]
    first = make_generalized((3, 1, number), example, held_out=False)
    assert first == make_generalized((3, 1, number), example, held_out=False)


def test_the_shipped_vocabulary_has_every_word():
    tokenizer = build_tokenizer('magnet_mm://grefshapes')
    assert tokenizer.vocabulary_size == 5 + len(generalized_vocabulary()) == 66
    assert tokenizer.unknown('both crosses and every one of all the squares') == []
    folder = Path(__file__).parents[2] / 'magnet_mm/datasets/vocabularies/grefshapes'
    words = (folder / 'words.txt').read_text(encoding='utf-8').split()
    assert words[4:] == list(generalized_vocabulary())
