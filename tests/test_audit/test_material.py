# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What is drawn of a data set, and what its annotations say of the pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from magnet_mm.audit import material
from magnet_mm.audit.material import choose_material
from magnet_mm.audit.probes import questions
from magnet_mm.errors import DataError

ITEMS = [  # image, object, sentence
    (2, 1, 'man on the left'),
    (2, 2, 'white dog'),
    (1, 3, 'chair'),
    (2, 1, 'him'),
]


class Annotated:
    """The part of a dataset that is read without its pictures."""

    def __init__(self, ann_file, items=ITEMS):
        self.ann_file = str(ann_file)
        self._infos = [
            dict(img_id=image, ref_id=ref, ann_id=ref, expression=text, sent_id=n, kind=None)
            for n, (image, ref, text) in enumerate(items)
        ]

    def __len__(self):
        return len(self._infos)

    def get_data_info(self, index):
        return self._infos[index]


@pytest.fixture
def source(tmp_path):
    def make(**changes):
        content = dict(
            categories=[
                dict(id=1, name='person'),
                dict(id=2, name='dog'),
                dict(id=3, name='chair'),
            ],
            annotations=[
                dict(id=n, image_id=image, category_id=category)
                for n, (image, category) in enumerate([(1, 3), (2, 1), (2, 2), (2, 1), (9, 3)])
            ],
        )
        path = tmp_path / 'instances.json'
        path.write_text(json.dumps({**content, **changes}))
        return SimpleNamespace(dataset=Annotated(path))

    return make


def test_sentences_of_an_image_stand_together(source):
    chosen = choose_material(source(), None, 0)
    assert [subject.image for subject in chosen.subjects] == [2, 2, 2, 1]
    assert [subject.index for subject in chosen.subjects] == [0, 1, 3, 2]
    shuffled = {subject.expression: subject.shuffled for subject in chosen.subjects}
    assert shuffled['chair'] is None  # alone in its picture
    assert shuffled['white dog'] in ('man on the left', 'him')


def test_coco_tells_categories_and_no_colours(source):
    scenes = choose_material(source(), None, 0).scenes
    assert scenes[2].categories == {'person', 'dog'} and scenes[1].categories == {'chair'}
    assert scenes[2].colours is None
    assert scenes[2].sentences == ['man on the left', 'white dog', 'him']


@pytest.mark.parametrize('changes', [dict(categories=[]), dict(annotations=[dict(image_id=2)])])
def test_what_the_file_does_not_tell_is_not_known(source, changes):
    assert choose_material(source(**changes), None, 0).scenes[2].categories is None


def test_json_lines_tell_masks_alone(monkeypatch):
    monkeypatch.setattr(material, 'JsonLinesReferringDataset', Annotated)
    source = SimpleNamespace(dataset=Annotated('nowhere.jsonl'))
    scene = choose_material(source, None, 0).scenes[2]
    assert scene.categories is None and scene.colours is None and len(scene.sentences) == 3


def test_damaged_annotations_are_an_error(source):
    with pytest.raises(DataError, match='instances.json: an annotation or a category is not as'):
        choose_material(source(annotations=['text']), None, 0)


def test_questions_about_a_sentence(source):
    chosen = choose_material(source(), None, 0)
    [man, dog, _, chair] = chosen.subjects
    asked = [(one.probe, one.sentence) for one in questions(man, chosen.scenes[2], 0)]
    assert asked == [(one.probe, one.sentence) for one in questions(man, chosen.scenes[2], 0)]
    assert [probe for probe, _ in asked] == [
        'original', 'shuffled', 'blank', 'permuted', *4 * ['deleted'], 'mirrored sides',
        'absent noun',
    ]  # fmt: skip
    assert ('mirrored sides', 'man on the right') in asked and ('blank', '') in asked
    inexact = {one.probe: one.exact for one in questions(dog, chosen.scenes[2], 0)}
    assert inexact['absent noun'] and not inexact['absent colour']
    several = replace(dog, single=False)
    probes = [one.probe for one in questions(several, chosen.scenes[2], 0)]
    assert probes == ['original', 'shuffled', 'blank', 'permuted', 'deleted', 'deleted', 'mirrored']
    few = [one.probe for one in questions(chair, chosen.scenes[1], 0)]
    assert few == ['original', 'blank', 'mirrored', 'absent noun']
