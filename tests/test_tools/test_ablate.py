# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The ablation runner: trains what is missing, keeps what is done, writes one table."""

import csv
import importlib.util
import json
import sys
from pathlib import Path

import pytest

from magnet_mm.refshapes import write_refshapes

REPOSITORY = Path(__file__).resolve().parents[2]
SET = f"""
title: Two rows
source: none
metrics: [oIoU, mIoU]
data:
  refshapes:
    options:
      train_cfg.max_epochs: 1
      train_cfg.val_interval: 1
      train_dataloader.batch_size: 4
rows:
  - {{label: plain, configs: {{refshapes: {REPOSITORY}/configs/magnet_tiny_refshapes.py}}}}
  - {{label: narrow, configs: {{refshapes: narrow.py}}, published: {{oIoU: 70.0}}}}
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def ablate(tmp_path, monkeypatch, capsys, run_tool):
    """Call it with arguments; returns the output of one invocation."""
    write_refshapes(tmp_path / 'data', 0, dict(train=4, val=2, testA=1, testB=1))
    (tmp_path / 'sets').mkdir()
    (tmp_path / 'sets/two.yml').write_text(SET)
    base = str(REPOSITORY / 'configs/magnet_tiny_refshapes.py')
    (tmp_path / 'narrow.py').write_text(
        f'_base_ = {base!r}\nmodel = dict(backbone=dict(visual=dict(base_channels=8)))\n'
    )
    monkeypatch.setenv('REFSHAPES_ROOT', str(tmp_path / 'data'))
    monkeypatch.chdir(tmp_path)
    path = REPOSITORY / 'tools/analysis_tools/ablate.py'
    monkeypatch.syspath_prepend(str(path.parent))
    spec = importlib.util.spec_from_file_location('ablate_tool', path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    def call(name, *arguments, log):  # in place of a new process
        log.write_text(run_tool(REPOSITORY / name, *arguments, cwd=tmp_path))

    monkeypatch.setattr(tool.training, 'call_tool', call)
    common = ['--work-dir', str(tmp_path / 'runs'), '--out', str(tmp_path / 'tables')]

    def invoke(*arguments):
        monkeypatch.setattr(sys, 'argv', ['ablate.py', 'sets/two.yml', *common, *arguments])
        tool.main()
        return capsys.readouterr().out

    return invoke


def test_several_invocations_fill_one_table(ablate, tmp_path):
    first = ablate('--minutes', '0.005')  # long enough to start one run
    assert 'run 1 of 2: plain' in first
    assert '1 runs are left' in first
    plain = tmp_path / 'runs/two/refshapes/magnet_tiny_refshapes/seed0/run.json'
    record = json.loads(plain.read_text())
    assert record['seed'] == 0
    assert 0 <= record['scores']['oIoU'] <= 100

    second = ablate()
    assert 'run 1 of 1: narrow' in second
    assert json.loads(plain.read_text()) == record
    with open(tmp_path / 'tables/two_refshapes.csv', encoding='utf-8') as table:
        rows = list(csv.DictReader(table))
    assert [(row['label'], row['seed'], row['published oIoU']) for row in rows] == [
        ('plain', '0', ''),
        ('narrow', '0', '70.0'),
    ]
    assert float(rows[0]['oIoU']) == pytest.approx(record['scores']['oIoU'], abs=1e-4)
    assert (tmp_path / 'tables/two_refshapes.md').is_file()

    assert 'run 1' not in ablate('--table-only')
