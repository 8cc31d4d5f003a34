# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The adaptation experiment: what runs from scratch, and the table."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / 'tools/analysis_tools/adaptation.py'


@pytest.fixture(scope='module')
def adaptation():
    spec = importlib.util.spec_from_file_location('adaptation', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_from_scratch_means_the_recipe_without_weights(adaptation, tmp_path):
    (tmp_path / 'base.py').write_text('optim_wrapper = dict(optimizer=dict(lr=3e-3))\n')
    config = tmp_path / 'finetune.py'
    config.write_text(
        "_base_ = './base.py'\nload_from = 'a.pth'\nwork_dir = '/x/finetune'\n"
        'optim_wrapper = dict(optimizer=dict(lr=1e-3))\ntrain_cfg = dict(max_epochs=7)\n'
        'default_hooks = dict(early_stopping=dict(), timer=dict())\n'
    )
    cfg = adaptation.from_scratch(config)
    assert cfg.load_from is None and cfg.work_dir == '/x/from_scratch'
    assert cfg.optim_wrapper.optimizer.lr == 3e-3 and cfg.train_cfg.max_epochs == 7
    assert list(cfg.default_hooks) == ['timer']


def test_the_table(adaptation, tmp_path, capsys):
    scores = {'oIoU': 50.0, 'mIoU': 40.125, 'P@0.5': 30.0}
    adaptation.report({'before': (scores, 0.0), 'after': (scores, 61.4)}, tmp_path)
    printed = capsys.readouterr().out
    assert '40.12' in printed and '61' in printed and 'before' in printed
    found = json.loads((tmp_path / 'adaptation.json').read_text())
    assert found['after'] == dict(scores, seconds=61.4)
