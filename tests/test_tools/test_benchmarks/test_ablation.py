# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Ablation sets: what is read, which runs are planned, and hand-computed tables."""

from pathlib import Path

import pytest
from benchmarks import ablation

from magnet_mm.errors import ConfigError, DataError

SETS = sorted((Path(__file__).resolve().parents[3] / 'configs/ablations').glob('*.yml'))

YAML = """
title: Two rows
source: nowhere, sec. 1
metrics: [oIoU, mIoU]
data:
  refshapes: {options: {train_cfg.max_epochs: 1}}
rows:
  - {label: without, configs: {refshapes: without.py}}
  - {label: with, configs: {refshapes: with.py}, published: {oIoU: 70.5}}
"""


@pytest.fixture
def ablation_set(tmp_path):
    (tmp_path / 'sets').mkdir()
    (tmp_path / 'sets/two.yml').write_text(YAML)
    (tmp_path / 'without.py').write_text('train_cfg = dict(max_epochs=4)\nmodel = dict(width=1)\n')
    (tmp_path / 'with.py').write_text('train_cfg = dict(max_epochs=4)\nmodel = dict(width=2)\n')
    return ablation.read_ablation_set(tmp_path / 'sets/two.yml')


@pytest.fixture
def runs(ablation_set, tmp_path):
    return ablation.plan_runs(ablation_set, [0, 1], tmp_path / 'runs')


def finish(runs, *scores):
    for run, (overall, mean) in zip(runs, scores, strict=False):
        run.work_dir.mkdir(parents=True, exist_ok=True)
        run.finish({'oIoU': overall, 'mIoU': mean, 'by_kind': {}}, seconds=1.0)


def test_runs_go_seed_by_seed_with_the_options_of_the_set(runs):
    assert [(run.row.label, run.seed) for run in runs] == [
        ('without', 0),
        ('with', 0),
        ('without', 1),
        ('with', 1),
    ]
    assert runs[3].options == {'train_cfg.max_epochs': 1, 'randomness.seed': 1}
    assert len({run.work_dir for run in runs}) == 4
    assert len({run.fingerprint for run in runs}) == 4


def test_a_run_is_done_when_its_record_is_there(runs):
    assert runs[0].scores() is None
    finish(runs, (50.0, 40.0))
    assert runs[0].scores() == {'oIoU': 50.0, 'mIoU': 40.0}
    assert runs[1].scores() is None


def test_a_record_of_another_config_is_refused(runs):
    finish(runs, (50.0, 40.0))
    runs[0].row.config.write_text('train_cfg = dict(max_epochs=4)\nmodel = dict(width=3)\n')
    with pytest.raises(ConfigError, match=r'seed0 holds a run of another version of without\.py'):
        runs[0].scores()


def test_table(ablation_set, runs, tmp_path):
    finish(runs, (50.0, 40.0), (60.0, 45.0), (52.0, 41.0))
    assert ablation.seeds_on_disk(ablation_set, tmp_path / 'runs') == {0, 1}
    summary = ablation.summarise(ablation_set, runs)
    assert summary[0]['oIoU'] == [50.0, 52.0]
    markdown = ablation.to_markdown(ablation_set, summary).splitlines()
    assert markdown[2:6] == [
        '|  | oIoU here | mIoU here | oIoU published | seeds |',
        '| --- | ---: | ---: | ---: | --- |',
        '| without | 51.0 (50.0 to 52.0) | 40.5 (40.0 to 41.0) | - | 0, 1 |',
        '| with | 60.0 | 45.0 | 70.50 | 0 |',
    ]
    assert 'nowhere, sec. 1' in markdown[-1]
    assert ablation.to_csv(ablation_set, summary).splitlines() == [
        'label,data,seed,oIoU,mIoU,published oIoU,published mIoU',
        'without,refshapes,0,50.0000,40.0000,,',
        'without,refshapes,1,52.0000,41.0000,,',
        'with,refshapes,0,60.0000,45.0000,70.5,',
    ]


def test_a_run_without_a_metric_of_the_table_is_an_error(ablation_set, runs):
    runs[0].work_dir.mkdir(parents=True)
    runs[0].finish({'oIoU': 50.0}, seconds=1.0)
    with pytest.raises(DataError, match=r'without\.py with seeds \[0\] have no mIoU'):
        ablation.summarise(ablation_set, runs)


def test_unknown_names_are_errors(ablation_set, tmp_path):
    sets = tmp_path / 'sets'
    with pytest.raises(ConfigError, match="no ablation set 'three' .* known: two"):
        ablation.read_ablation_set(sets / 'three.yml')
    with pytest.raises(ConfigError, match="not made for 'refcoco', only for: refshapes"):
        ablation.read_ablation_set(sets / 'two.yml', 'refcoco')
    (tmp_path / 'with.py').unlink()
    with pytest.raises(ConfigError, match=r"row 'with' names .*with\.py, which does not exist"):
        ablation.read_ablation_set(sets / 'two.yml')


@pytest.mark.parametrize('file', SETS, ids=lambda path: path.stem)
@pytest.mark.parametrize('data', ['refshapes', 'refcoco'])
def test_shipped_sets_are_complete(file, data):
    shipped = ablation.read_ablation_set(file, data)
    assert len(shipped.rows) > 1
    fingerprints = {run.fingerprint for run in ablation.plan_runs(shipped, [0], 'unused')}
    assert len(fingerprints) == len(shipped.rows)
