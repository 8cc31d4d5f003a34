# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The ablation runner: trains what is missing, keeps what is done, writes one table."""

import csv
import json
import os
import subprocess
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
def ablate(tmp_path):
    """Call it with arguments; returns the output of one invocation."""
    write_refshapes(tmp_path / 'data', 0, dict(train=4, val=2, testA=1, testB=1))
    (tmp_path / 'sets').mkdir()
    (tmp_path / 'sets/two.yml').write_text(SET)
    base = str(REPOSITORY / 'configs/magnet_tiny_refshapes.py')
    (tmp_path / 'narrow.py').write_text(
        f'_base_ = {base!r}\nmodel = dict(backbone=dict(visual=dict(base_channels=8)))\n'
    )
    environment = dict(os.environ, REFSHAPES_ROOT=str(tmp_path / 'data'), OMP_NUM_THREADS='1')

    def call(*arguments):
        done = subprocess.run(
            [
                sys.executable,
                str(REPOSITORY / 'tools/analysis_tools/ablate.py'),
                str(tmp_path / 'sets/two.yml'),
                *('--work-dir', str(tmp_path / 'runs'), '--out', str(tmp_path / 'tables')),
                *arguments,
            ],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


def test_several_invocations_fill_one_table(ablate, tmp_path):
    first = ablate('--minutes', '0.0001')  # long enough to start one run
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
    assert '| narrow |' in (tmp_path / 'tables/two_refshapes.md').read_text()

    assert 'run 1' not in ablate('--table-only')
