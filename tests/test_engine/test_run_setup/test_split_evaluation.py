# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Several splits with one model: scores, table, JSON."""

import json

import pytest
from mmseg.registry import DATASETS

from magnet_mm.engine.run_setup import split_evaluation
from magnet_mm.errors import ConfigError


@DATASETS.register_module(force=True)
class SplitNumbers(DATASETS.get('NoisyNumbers')):
    """Numbers with a split."""

    def __init__(self, split, length=12):
        super().__init__()
        self.split_name = split
        self.length = length

    def __len__(self):
        return self.length


def test_each_split_is_evaluated_with_the_same_model(make_runner):
    runner = make_runner('run')
    runner.cfg.test_dataloader.dataset = dict(type='SplitNumbers', split='val', length=5)
    results = split_evaluation.evaluate_splits(runner, ['testA', 'val_blank'])
    assert results == {'testA': dict(oIoU=10.0), 'val_blank': dict(oIoU=20.0)}
    assert runner.test_dataloader.dataset.split_name == 'val_blank'
    assert len(runner.test_dataloader.dataset) == 5
    assert split_evaluation.evaluate_splits(runner) == {'val': dict(oIoU=30.0)}


def test_splits_need_a_dataset_with_splits(make_runner):
    with pytest.raises(ConfigError, match='NoisyNumbers'):
        split_evaluation.evaluate_splits(make_runner('run'), ['val'])
    assert list(split_evaluation.evaluate_splits(make_runner('again'))) == ['test']


def test_control_of_the_config_gives_way_to_the_split():
    dataset = dict(type='SplitNumbers', split='val', expressions='blank')
    datasets = split_evaluation.build_split_datasets(dataset, ['testA'])
    assert datasets['testA'].split_name == 'testA'


def test_a_split_of_another_file_has_its_own_metric(make_runner):
    runner = make_runner('run')
    runner.cfg.test_dataloader.dataset = dict(type='SplitNumbers', split='val')
    runner.cfg.special_splits = dict(
        val_pairs=dict(dataset=dict(length=3), evaluator=dict(type='PairReferringMetric'))
    )
    datasets = split_evaluation.build_split_datasets(
        runner.cfg.test_dataloader.dataset, ['val', 'val_pairs'], runner.cfg.special_splits
    )
    assert {name: len(dataset) for name, dataset in datasets.items()} == dict(val=12, val_pairs=3)
    runner.test = lambda: dict(metric=runner._test_evaluator['type'])
    scores = split_evaluation.evaluate_splits(runner, ['val', 'val_pairs'])
    assert scores['val'] != scores['val_pairs'] == dict(metric='PairReferringMetric')


def test_results_of_every_metric_get_the_folder():
    evaluator = [dict(type='A'), dict(type='B')]
    split_evaluation.write_results_to(evaluator, 'out/val')
    assert [metric['output_dir'] for metric in evaluator] == ['out/val', 'out/val']


def test_report(tmp_path, capsys):
    results = {
        'val': {'oIoU': 61.234, 'P@0.5': 70.0, 'oIoU/place': 50.5},
        'testA': {'oIoU': 1.0, 'P@0.5': 2.0},
    }
    split_evaluation.report(results, str(tmp_path / 'new/results.json'))
    table = capsys.readouterr().out
    rows = [line.replace('│', ' ').split() for line in table.splitlines()]
    assert ['val', '61.23', '70.00', '50.50'] in rows
    assert ['testA', '1.00', '2.00', '-'] in rows
    assert json.loads((tmp_path / 'new/results.json').read_text()) == {
        'val': {'oIoU': 61.234, 'P@0.5': 70.0, 'by_kind': {'place': {'oIoU': 50.5}}},
        'testA': {'oIoU': 1.0, 'P@0.5': 2.0},
    }


def test_other_scores_have_a_table_of_their_own(capsys):
    pairs = {'oIoU': 3.0, 'pairs': 40.0}
    split_evaluation.report({'val': {'oIoU': 1.0}, 'val_pairs': pairs, 'testA': {'oIoU': 2.0}})
    first, second = capsys.readouterr().out.split('\N{BOX DRAWINGS HEAVY DOWN AND RIGHT}')[1:]
    assert 'val' in first and 'testA' in first and 'pairs' not in first
    assert 'val_pairs' in second and '40.00' in second
