# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The threshold from the tool to the inferencer, and the table of several runs."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS

from magnet_mm.apis import ReferringSegInferencer
from magnet_mm.apis.results import NOTHING_MATCHES
from magnet_mm.engine.checkpointing.no_target_threshold import store_threshold
from magnet_mm.refshapes import write_refshapes

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / 'tools' / 'analysis_tools'


def test_threshold_from_val_to_the_inferencer(tmp_path, monkeypatch, capsys):
    data = tmp_path / 'refshapes'
    write_refshapes(data, counts={'train': 0, 'val': 2, 'testA': 0, 'testB': 0})
    monkeypatch.setenv('REFSHAPES_ROOT', str(data))
    config = ROOT / 'configs' / 'lavt-nt_tiny_grefshapes.py'
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(Config.fromfile(str(config)).model)
    checkpoint = tmp_path / 'model.pth'
    torch.save(dict(state_dict=model.state_dict(), meta={}), checkpoint)
    main = runpy.run_path(str(TOOLS / 'choose_no_target_threshold.py'))['main']
    options = ['val_dataloader.num_workers=0', 'test_dataloader.num_workers=0']
    options += ['test_dataloader.persistent_workers=False']
    chosen = main(
        [str(config), str(checkpoint), '--work-dir', str(tmp_path / 'w'), '--cfg-options', *options]
    )
    printed = capsys.readouterr().out
    assert 'N-acc' in printed and f'no_target_threshold is {chosen}' in printed
    assert torch.load(checkpoint, weights_only=True)['meta'] == dict(no_target_threshold=chosen)

    image = next((data / 'images/mscoco/images/train2014').iterdir())
    store_threshold(checkpoint, 1e-6)  # everything is answered by "nothing"
    inferencer = ReferringSegInferencer(str(config), checkpoint, 'cpu', show_progress=False)
    assert inferencer.model.foreground.no_target_threshold == 1e-6
    [result] = inferencer(str(image), 'the red circle')
    assert result.no_target and result.area == 0 and result.notes[-1] == NOTHING_MATCHES


def test_table_of_runs(tmp_path):
    for name, n_acc in (('lavt', 12.5), ('lavt-nt', 80.0)):
        (tmp_path / name).mkdir()
        scores = {'N-acc': n_acc, 'T-acc': 90.0, 'gIoU': 33.333}
        (tmp_path / name / 'results.json').write_text(json.dumps({'testA': scores}))
    table = runpy.run_path(str(TOOLS / 'no_target_table.py'))['table']
    assert table([tmp_path / 'lavt', tmp_path / 'lavt-nt'], 'testA').splitlines() == [
        '| run | N-acc | T-acc | gIoU | cIoU |',
        '|---|---|---|---|---|',
        '| lavt | 12.50 | 90.00 | 33.33 | - |',
        '| lavt-nt | 80.00 | 90.00 | 33.33 | - |',
    ]
