# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Each neighbouring data set by its shipped config: it trains a step and has its own scores."""

from __future__ import annotations

import math
from pathlib import Path

import downloads_of_data as downloads
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import Evaluator
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS, METRICS, MODELS

from magnet_mm.data_tools.checking import check_root
from magnet_mm.data_tools.conversion import refcoco_to_jsonl
from magnet_mm.data_tools.preparing import prepare
from magnet_mm.datasets.annotations.refer_annotations import load_records
from magnet_mm.datasets.annotations.refs_reader import read_refs, select_split
from magnet_mm.errors import DataError

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
STANDARD = {'oIoU', 'mIoU', 'P@0.5', 'P@0.6', 'P@0.7', 'P@0.8', 'P@0.9'}


def refsegrs_root(root: Path) -> Path:
    prepare([downloads.refsegrs_folder(root.parent / 'RefSegRS')], root)
    return root


def phrasecut_root(root: Path) -> Path:
    prepare([downloads.phrasecut_folder(root.parent / 'VGPhraseCut_v0')], root)
    images = root.parent / 'VG_100K'  # the user's, somewhere else
    images.mkdir()
    for number in range(1, 5):
        (images / f'{number}.jpg').write_bytes(downloads.picture(number))
    (root / 'phrasecut/images').symlink_to(images)
    return root


def refcoco_m_root(root: Path) -> Path:
    prepare([downloads.refcoco_m_parquet(root.parent)], root)
    images = 'images/mscoco/images/train2014'
    return downloads.write_refer_root(root, 'refcoco', downloads.plain_refs(), images)


SETS = {
    'rrsisd': (downloads.rrsisd_root, 4, 3, STANDARD),
    'refclef-unc': (downloads.refclef_root, 4, 3, STANDARD),
    'refsegrs': (refsegrs_root, 2, 1, STANDARD),
    'phrasecut': (
        phrasecut_root,
        2,
        2,
        {'oIoU', 'mIoU', 'P@0.3', 'P@0.5', 'P@0.7', 'P@0.9', 'oIoU/attribute'},
    ),
    'ref-zom': (
        downloads.ref_zom_root,
        4,
        4,
        STANDARD | {'Acc', 'oIoU/single-target', 'oIoU/multi-target'},
    ),
    'rrefcoco': (
        downloads.rrefcoco_root,
        4,
        7,
        STANDARD | {'rIoU', 'mRR', 'r', 'oIoU/single-target'},
    ),
    'refcoco-m': (refcoco_m_root, 4, 2, STANDARD),
}


@pytest.fixture(scope='module')
def model() -> torch.nn.Module:
    """The small LAVT, whose vocabulary is shipped."""
    with DefaultScope.overwrite_default_scope('mmseg'):
        return MODELS.build(Config.fromfile(CONFIGS / 'lavt_tiny_refshapes.py').model)


def small(dataset: dict) -> dict:
    """A dataset's config at 64 x 64 pixels with the shipped words."""
    pipeline = [dict(step) for step in dataset['pipeline']]
    for step in pipeline:
        if step['type'] == 'Resize':
            step.update(scale=(64, 64))
        elif step['type'] == 'TokenizeExpression':
            step.update(tokenizer='magnet_mm://refshapes')
    return dict(dataset, pipeline=pipeline)


@pytest.mark.parametrize('name', SETS)
def test_a_step_and_the_sets_own_scores(name, model, tmp_path, monkeypatch):
    make, refs, items, scores = SETS[name]
    monkeypatch.setenv('REFER_ROOT', str(make(tmp_path / 'refer')))
    config = Config.fromfile(CONFIGS / '_base_/datasets' / f'{name}.py')
    train = DATASETS.build(small(config.train_dataloader.dataset))
    val = DATASETS.build(small(config.val_dataloader.dataset))
    assert (len(train), len(val)) == (refs, items)
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1e-3))
    losses = model.train().train_step(pseudo_collate([train[0], train[1]]), optimizer)
    assert math.isfinite(losses['loss'].item())
    metric = METRICS.build(dict(config.val_evaluator))
    evaluator = Evaluator([metric])
    model.eval()
    with torch.no_grad():
        batch = pseudo_collate([val[index] for index in range(len(val))])
        evaluator.process(model.test_step(batch), batch)
    found = evaluator.evaluate(len(val))
    assert set(found) == scores
    assert all(0 <= value <= 100 for value in found.values())


@pytest.mark.parametrize('name', SETS)
def test_the_checker_knows_it(name, tmp_path):
    root = SETS[name][0](tmp_path / 'refer')
    result = check_root(root, images=True)
    # the fixtures are small: nothing but the published counts and RefCOCO's splits may be missed
    errors = [one.problem for one in result.findings if one.level == 'error']
    known = [one for one in errors if one.startswith('split ') or 'are in train and in' in one]
    assert errors == known
    notes = [one.problem for one in result.findings if 'differ from their image' in one.problem]
    assert bool(notes) == (name == 'rrsisd')
    assert result.refs_files or result.own
    assert all(there == wanted for there, wanted in result.images.values())


def test_ref_zom_means_none_one_or_many(tmp_path):
    folder = downloads.ref_zom_root(tmp_path) / 'ref-zom'
    files = str(folder / 'instances.json'), str(folder / 'refs(final).p')
    test = load_records(*files, 'test', generalized=True)
    assert [record['ann_id'] for record in test] == [(21, 22), (), (), (12,)]
    assert [record['sentences'][0]['kind'] for record in test] == [
        'multi-target',
        'no-target',
        'no-target',
        'single-target',
    ]
    with pytest.raises(DataError, match="type='GeneralizedReferringDataset'"):
        load_records(*files, 'test')


def test_a_sentence_that_means_nothing_has_an_empty_mask(tmp_path, monkeypatch):
    monkeypatch.setenv('REFER_ROOT', str(downloads.rrefcoco_root(tmp_path)))
    config = Config.fromfile(CONFIGS / '_base_/datasets/rrefcoco.py')
    val = DATASETS.build(small(config.val_dataloader.dataset))
    samples = [val[index]['data_samples'] for index in range(3)]
    assert [sample.kind for sample in samples] == ['single-target', 'single-target', 'no-target']
    assert [sample.no_target for sample in samples] == [False, False, True]
    assert [bool(sample.gt_sem_seg.data.any()) for sample in samples] == [True, True, False]
    with pytest.raises(DataError, match="type='GeneralizedReferringDataset'"):
        DATASETS.build(dict(config.val_dataloader.dataset, type='ReferringDataset', pipeline=[]))


def test_negative_sentences_do_not_become_json_lines(tmp_path):
    folder = downloads.rrefcoco_root(tmp_path) / 'rrefcoco'
    files = folder / 'instances.json', folder / 'refs(unc).p'
    with pytest.raises(DataError, match='sentences that mean nothing'):
        refcoco_to_jsonl(*files, tmp_path / 'lines.jsonl')


@pytest.mark.parametrize('split, found', [('testA', [7]), ('testB', [7]), ('val', [4, 5, 6])])
def test_a_ref_of_two_test_sets_is_in_both(tmp_path, split, found):
    path = str(downloads.refclef_root(tmp_path) / 'refclef/refs(unc).p')
    refs = select_split(read_refs(path), split, path)
    assert [ref['ref_id'] for ref in refs] == found
