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
    tool.run('agreement-lavt', tool.RUNS['agreement-lavt'], tmp_path)
    assert 'agreement-lavt: left out, because there is no work_dirs/lavt_tiny_refshapes/best' in (
        capsys.readouterr().out
    )
    assert not tool.commands
    trained = tmp_path / 'work_dirs/lavt_tiny_refshapes/best_oIoU_epoch_3.pth'
    trained.parent.mkdir(parents=True)
    trained.touch()
    tool.run('agreement-lavt', tool.RUNS['agreement-lavt'], tmp_path)
    assert str(trained) in tool.commands[0]
    assert (tmp_path / 'agreement-lavt.json').is_file()


def test_every_run_is_a_command_line_of_the_benchmark(tool, monkeypatch):
    monkeypatch.chdir(ROOT)
    benchmark = load('benchmark')
    for name, arguments in (tool.RUNS | tool.device_runs('cuda')).items():
        args = benchmark.parse_args(arguments)  # exits where an argument is wrong
        if args.cfg_options:
            cfg = Config.fromfile(args.config)
            cfg.merge_from_dict(args.cfg_options)
            loader = 'train_dataloader' if args.mode == 'data' else 'test_dataloader'
            assert cfg[loader].dataset.refs_file == 'refshapes/refs(unc).p', name
            assert cfg[loader].dataset.pipeline[3].type == 'TokenizeExpression', name


def test_a_card_has_its_own_runs_and_its_own_table(tool, tmp_path, monkeypatch, capsys):
    row = dict(kind='train', variant='compiled', dtype='bfloat16', batch=16, mfu=0.31, peak=7e14,
               images_per_second=123.44, memory_bytes=7.06e10)  # fmt: skip
    card = dict(machine=dict(device='a card'), config='configs/b.py')
    measured = dict(card, mode='accelerator', rows=[row], difference=2e-6)
    checked = dict(card, mode='checks', repeated=0.0, resumed=1e-7, backend='nccl',
                   all_reduce=True, gather_object=False)  # fmt: skip

    def pretend(command, **_options):
        tool.commands.append([str(part) for part in command])
        result = checked if 'checks' in tool.commands[-1] else measured
        return SimpleNamespace(stdout=json.dumps(result) + '\n')

    monkeypatch.setattr(subprocess, 'run', pretend)
    page = tmp_path / 'page.md'
    page.write_text(
        '<!-- bench:machine -->\nthe CPU\n<!-- /bench -->\n'
        '<!-- bench:accelerator -->\nnothing yet\n<!-- /bench -->\n'
    )
    tool.main(['--page', str(page), '--folder', str(tmp_path / 'bench'), '--device', 'cuda',
               '--only', 'cuda-cris', 'cuda-checks'])  # fmt: skip
    assert [command[2:] for command in tool.commands] == [
        ['configs/magnet_tiny_refshapes.py', '--mode', 'checks', '--device', 'cuda'],
        ['configs/cris_r101_refcoco.py', '--mode', 'accelerator', '--dtype', 'bfloat16',
         '--device', 'cuda'],
    ]  # fmt: skip
    text = page.read_text()
    assert 'the CPU' in text and 'Measured on a card.' in text
    assert '| `b`, train, compiled | bfloat16 | 16 | 123.4 | 70.6 | 700 | 0.31 |' in text
    assert 'weights of two runs differ by 0.0e+00, those of a resumed run by 1.0e-07' in text
    assert 'nccl: all_reduce right, gather_object WRONG.' in text
    assert '| `b`, train, compiled |' in capsys.readouterr().out


def test_every_method_is_measured_on_a_card(tool):
    names = {path.stem.split('_')[0] for path in (ROOT / 'configs').glob('*_tiny_refshapes.py')}
    assert {f'cuda-{name}' for name in names if '-' not in name} <= tool.device_runs('cuda').keys()
