# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""``magnet-mm audit``: from a config and a checkpoint to table, page and numbers."""

from __future__ import annotations

import json
import re
import sys

import numpy as np
import pytest

from magnet_mm.analysis import ItemSource
from magnet_mm.apis import ReferringSegInferencer
from magnet_mm.audit.answers import answer_questions
from magnet_mm.audit.material import choose_material
from magnet_mm.audit.probes import PROBES
from magnet_mm.cli import main
from magnet_mm.errors import DataError
from magnet_mm.evaluation import decode_mask
from magnet_mm.refshapes import write_refshapes
from magnet_mm.refshapes.scene import COLOURS, SHAPES


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data') / 'refshapes'
    write_refshapes(folder, counts=dict(train=0, val=3, testA=1, testB=0))
    return folder


@pytest.fixture(autouse=True)
def _surroundings(root, monkeypatch):
    monkeypatch.setenv('REFSHAPES_ROOT', str(root))
    monkeypatch.setenv('COLUMNS', '200')
    monkeypatch.setattr(sys, 'argv', ['magnet-mm'])


@pytest.fixture
def source():
    from magnet_mm.apis import find_config

    return ItemSource(find_config('magnet_tiny_refshapes'), 'val')


def test_objects_are_drawn_with_all_their_sentences(source):
    everything = choose_material(source, None, 0)
    assert len(everything.subjects) == len(source.dataset)
    some, again, others = (choose_material(source, 3, seed) for seed in (0, 0, 1))
    assert some.subjects == again.subjects != others.subjects
    chosen = {subject.ref_id for subject in some.subjects}
    assert len(chosen) == 3 and some.objects_in_split == everything.objects_in_split > 3
    assert some.subjects == [s for s in everything.subjects if s.ref_id in chosen]


def test_what_the_annotations_say(source, root):
    instances = json.loads((root / 'refshapes/instances.json').read_text())
    scenes = choose_material(source, None, 0).scenes
    for image, scene in scenes.items():
        objects = [one for one in instances['annotations'] if one['image_id'] == image]
        assert scene.categories == {SHAPES[one['category_id'] - 1] for one in objects}
        assert scene.colours == {one['attributes']['colour'] for one in objects} <= set(COLOURS)


def test_answers_are_the_inferencers(source, random_weights):
    material = choose_material(source, 2, 0)
    inferencer = ReferringSegInferencer('magnet_tiny_refshapes', random_weights, 'cpu')
    answers = [a for image in answer_questions(inferencer, source, material, 0, 8) for a in image]
    asked = {answer.question.probe for answer in answers}
    assert {'original', 'blank', 'permuted', 'deleted', 'shuffled'} <= asked <= set(PROBES)
    for answer in answers:
        subject = answer.question.subject
        sample = source.dataset[subject.index]
        picture, truth = sample['img'], sample['gt_seg_map'].astype(bool)
        if answer.question.sentence and answer.question.probe in (
            'original',
            'mirrored',
            'deleted',
        ):
            if answer.question.flips:
                picture = picture[:, ::-1].copy()
            [result] = inferencer(picture, answer.question.sentence)
            mask = decode_mask(answer.mask).astype(bool)
            assert np.mean(mask != result.mask) < 1e-3  # another batch
            mask = mask[:, ::-1] if answer.question.flips else mask
            assert answer.truth == dict(
                intersection=(mask & truth).sum(), union=(mask | truth).sum()
            )
        if answer.question.probe == 'original':
            assert answer.before == dict(intersection=answer.area, union=answer.area)


def test_the_command(random_weights, tmp_path, capsys):
    out = tmp_path / 'out'
    arguments = ['magnet_tiny_refshapes', str(random_weights), '--max-refs', '2', '--out', str(out)]
    assert main(['audit', *arguments, '--device', 'cpu', '--split', 'testA']) == 0
    numbers = json.loads((out / 'audit.json').read_text())
    assert (numbers['title'], numbers['objects']) == ('refshapes, testA', 2)
    assert numbers['inexact'] == numbers['left_out'] == 0
    printed = capsys.readouterr().out
    assert 'refshapes, testA: does the model read?' in printed and f'audit: {out}' in printed
    page = (out / 'audit.html').read_text()
    for row in numbers['measures']:
        assert row['title'] in printed
        if row['value'] is not None:
            assert f'{row["value"]:.1f}' in printed and f'<td>{row["value"]:.1f}</td>' in page
    assert "default-src 'none'" in page and '<script' not in page


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--max-refs', '-1'], 'must not be negative'),
        (['--split', 'testC'], 'testC'),
    ],
)
def test_errors_are_sentences(arguments, message, random_weights, tmp_path, capsys):
    command = ['audit', 'magnet_tiny_refshapes', str(random_weights), '--out', str(tmp_path)]
    assert main([*command, *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_split_that_means_nothing(root):
    from mmengine.config import Config

    from magnet_mm.apis import find_config

    config = Config.fromfile(find_config('magnet_tiny_refshapes'))
    config.test_dataloader.dataset.update(config.special_splits.val_absent.dataset)
    with pytest.raises(DataError, match='nothing to audit'):
        choose_material(ItemSource(config, 'val_absent'), None, 0)
    material = choose_material(ItemSource(config, 'val'), None, 0)
    assert material.left_out > 0
    several = {s.expression for s in material.subjects if not s.single}
    assert several and all(
        re.search(r'^(all|every|both)|s\b| and ', expression) for expression in several
    )
