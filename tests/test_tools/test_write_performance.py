# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The series of benchmarks: what is run, what is kept, what is left out."""

import importlib.util
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[2]
DATA = dict(mode='data', machine=dict(device='abacus'), config='configs/a.py', workers=1,
            images_per_second=300, in_process=900, transforms=dict(Resize=0.001))  # fmt: skip


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / f'tools/analysis_tools/{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tool(monkeypatch):
    module = load('write_performance')
    module.commands = []

    def pretend(command, **_options):
        module.commands.append([str(part) for part in command])
        return SimpleNamespace(stdout='a warning\n' + json.dumps(DATA) + '\n')

    monkeypatch.setattr(subprocess, 'run', pretend)
    return module


def test_one_run_is_stored_and_written(tool, tmp_path):
    page, folder = tmp_path / 'page.md', tmp_path / 'bench'
    page.write_text('<!-- bench:data -->\nold\n<!-- /bench -->\n')
    tool.main(['--page', str(page), '--folder', str(folder), '--only', 'data'])
    assert [command[2:5] for command in tool.commands] == [
        ['configs/magnet_tiny_refshapes.py', '--mode', 'data']
    ]
    assert json.loads((folder / 'data-tiny.json').read_text()) == DATA
    assert '- `a`, 1 worker(s): 300 images/s; without workers 900.' in page.read_text()
    tool.main(['--page', str(page), '--folder', str(folder), '--only', 'data', '--missing'])
    tool.main(['--page', str(page), '--folder', str(folder), '--render'])
    assert len(tool.commands) == 1  # what is there is not measured again


def test_weights_that_are_not_trained_yet(tool, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tool, 'ROOT', tmp_path)
    tool.run('agreement-lavt', tmp_path)
    assert 'agreement-lavt: left out, because there is no work_dirs/lavt_tiny_refshapes/best' in (
        capsys.readouterr().out
    )
    assert not tool.commands
    trained = tmp_path / 'work_dirs/lavt_tiny_refshapes/best_oIoU_epoch_3.pth'
    trained.parent.mkdir(parents=True)
    trained.touch()
    tool.run('agreement-lavt', tmp_path)
    assert str(trained) in tool.commands[0]
    assert (tmp_path / 'agreement-lavt.json').is_file()


def test_every_run_is_a_command_line_of_the_benchmark(tool, monkeypatch):
    monkeypatch.chdir(ROOT)
    benchmark = load('benchmark')
    for name, arguments in tool.RUNS.items():
        args = benchmark.parse_args(arguments)  # exits where an argument is wrong
        if args.cfg_options:
            cfg = Config.fromfile(args.config)
            cfg.merge_from_dict(args.cfg_options)
            assert cfg.test_dataloader.dataset.refs_file == 'refshapes/refs(unc).p', name
            assert cfg.test_dataloader.dataset.pipeline[3].type == 'TokenizeExpression', name
