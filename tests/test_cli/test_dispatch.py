# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""``magnet-mm`` reaches every command with its arguments, and turns our errors into sentences."""

import subprocess
import sys
import types
from pathlib import Path

import pytest

from magnet_mm.cli import dispatch, main
from magnet_mm.errors import CheckpointError, ConfigError, DataError
from magnet_mm.version import __version__

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def program_name(monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['magnet-mm'])


@pytest.mark.parametrize(
    'command', ['train', 'test', 'finetune', 'infer', 'score', 'check-data', 'demo']
)
def test_every_command_gets_its_arguments(command, monkeypatch):
    received = []
    module = types.SimpleNamespace(main=lambda arguments: received.append(arguments) or 7)
    imported = []

    def import_module(name):
        imported.append(name)
        return module

    monkeypatch.setattr(dispatch.importlib, 'import_module', import_module)
    assert main([command, 'x', '--resume', '--cfg-options', 'a=1']) == 7
    assert received == [['x', '--resume', '--cfg-options', 'a=1']]
    assert imported == [dispatch.COMMANDS[command][0]]


@pytest.mark.parametrize('command', ['train', 'test', 'finetune', 'infer', 'score', 'demo'])
def test_help_of_each_command(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, '--help'])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith(f'usage: magnet-mm {command} ')


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(['--version'])
    assert capsys.readouterr().out == f'magnet_mm {__version__}\n'


@pytest.mark.parametrize('error', [CheckpointError, ConfigError, DataError])
def test_errors_of_ours_are_one_sentence(error, capsys):
    def run(arguments):
        raise error('What was wrong.')

    assert dispatch.run_command(run, [], 'magnet-mm x') == 1
    assert capsys.readouterr().err == 'magnet-mm x: What was wrong.\n'


def test_other_errors_keep_their_traceback():
    def run(arguments):
        raise KeyError('a bug')

    with pytest.raises(KeyError):
        dispatch.run_command(run, [], 'magnet-mm x')


def test_success_and_interruption(capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt

    assert dispatch.run_command(lambda arguments: None, [], 'x') == 0
    assert dispatch.run_command(interrupted, [], 'x') == 130
    assert capsys.readouterr().err == 'x: stopped\n'


@pytest.mark.parametrize('command', ['train', 'test'])
def test_a_wrong_config_name_lists_near_matches(command, capsys):
    checkpoint = ['x.pth'] if command == 'test' else []
    assert main([command, 'magnet_tiny_refshape', *checkpoint]) == 1
    assert 'Did you mean magnet_tiny_refshapes' in capsys.readouterr().err


@pytest.mark.slow
def test_a_wheel_has_configs_and_console_script(tmp_path):
    import shutil
    import zipfile

    source = tmp_path / 'source'
    wanted = ('magnet_mm', 'configs', 'requirements', 'tools')
    for folder in wanted:
        shutil.copytree(
            ROOT / folder, source / folder, ignore=shutil.ignore_patterns('__pycache__')
        )
    box = source / 'magnet_mm/pretrained/small'  # as the model in the box, committed or not
    (box / 'tokenizer').mkdir(parents=True)
    carried = ('config.json', 'model.safetensors', 'tokenizer/tokenizer.json', 'sample.png')
    for name in carried:
        (box / name).touch()
    for file in ('setup.py', 'README.md', 'model-index.yml', 'pyproject.toml'):
        shutil.copy(ROOT / file, source)
    subprocess.run(
        [sys.executable, 'setup.py', '-q', 'bdist_wheel', '--dist-dir', str(tmp_path)],
        cwd=source,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob('*.whl')
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (scripts,) = [name for name in names if name.endswith('entry_points.txt')]
        assert 'magnet-mm = magnet_mm.cli:main' in archive.read(scripts).decode()
    shipped = {
        f'magnet_mm/.mim/configs/{path.relative_to(ROOT / "configs")}'
        for path in (ROOT / 'configs').rglob('*.py')
    }
    shipped |= {f'magnet_mm/pretrained/small/{name}' for name in carried}
    shipped |= {'magnet_mm/sharing/templates/model_card.jinja'}
    assert shipped <= names
    assert 'magnet_mm/.mim/model-index.yml' in names
