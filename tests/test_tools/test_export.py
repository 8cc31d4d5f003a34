# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""tools/export.py: defaults, messages, and what it does with a bad checkpoint."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / 'configs/lavt_tiny_refshapes.py')


@pytest.fixture
def export(monkeypatch):
    """The tool's ``main``."""
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    return runpy.run_path(str(ROOT / 'tools/export.py'))['main']


@pytest.fixture
def checkpoint(tmp_path, build_model) -> Path:
    """Random weights of the small LAVT."""
    path = tmp_path / 'lavt.pth'
    torch.save(dict(state_dict=build_model(Config.fromfile(CONFIG).model).state_dict()), path)
    return path


def test_exports_beside_the_checkpoint_and_checks(export, checkpoint, capsys):
    export([CONFIG, str(checkpoint), '--format', 'torchscript', '--check'])
    said = capsys.readouterr().out
    for name in ('lavt.torchscript', 'lavt.torchscript.json', 'lavt.torchscript.tokenizer.json'):
        assert (checkpoint.parent / name).is_file()
        assert f'{name}: ' in said
    assert 'Largest difference from torch' in said


def test_fails_where_the_file_gives_other_logits(export, checkpoint, monkeypatch):
    monkeypatch.setitem(export.__globals__, 'largest_difference', lambda *_: float('nan'))
    arguments = [CONFIG, str(checkpoint), '--format', 'torchscript', '--check']
    with pytest.raises(SystemExit, match='do not use'):
        export([*arguments, '--without-tokenizer'])
    assert not (checkpoint.parent / 'lavt.torchscript.tokenizer.json').exists()


@pytest.mark.parametrize(
    ('arguments', 'complaint'),
    [
        ((CONFIG, 'absent.pth'), 'no checkpoint absent.pth'),
        (('configs/absent.py', 'absent.pth'), 'no config file configs/absent.py'),
    ],
)
def test_mistakes_are_one_sentence(export, arguments, complaint):
    with pytest.raises(SystemExit, match=complaint):
        export(arguments)


def test_nothing_is_written_for_a_checkpoint_of_another_model(export, checkpoint):
    other = str(ROOT / 'configs/magnet_tiny_refshapes.py')
    with pytest.raises(SystemExit, match='does not fit'):
        export([other, str(checkpoint), '--format', 'torchscript'])
    assert [path.name for path in checkpoint.parent.iterdir()] == ['lavt.pth']


def test_help_names_the_formats(export, capsys):
    with pytest.raises(SystemExit) as exit:
        export(['--help'])
    assert exit.value.code == 0
    assert '{onnx,torchscript,torch-export}' in capsys.readouterr().out
