# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The commands and programs of docs/inference.md and docs/demo_page.md."""

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from magnet_mm.apis import find_config
from magnet_mm.cli import demo, infer, main

ROOT = Path(__file__).resolve().parents[2]
PAGES = ('inference.md', 'demo_page.md')


def blocks(page, language):
    text = (ROOT / 'docs' / page).read_text()
    return re.findall(rf'```{language}\n(.*?)```', text, re.DOTALL)


def commands(page):
    """The commands of the bash blocks, continued lines joined."""
    joined = '\n'.join(blocks(page, 'bash')).replace('\\\n', ' ')
    return [shlex.split(line) for line in joined.splitlines() if line.strip()]


def test_every_command_has_the_shape_its_parser_wants():
    seen = []
    for command in commands('inference.md') + commands('demo_page.md'):
        seen.append(' '.join(command[:2]))
        if command[:2] == ['magnet-mm', 'infer']:
            args = infer.parse_args(command[2:])
            assert find_config(args.config) and len(args.sentences) == 2
        elif command[:2] == ['magnet-mm', 'demo']:
            args = demo.parse_args(command[2:])
            assert find_config(args.config) and args.open
        elif command[0] == 'python':
            assert (ROOT / command[1]).is_file()
            spec = importlib.util.spec_from_file_location('tool', ROOT / command[1])
            tool = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(tool)
            with pytest.raises(SystemExit) as stop:
                tool.main([*command[2:], '--chromium', '/nowhere'])
            assert stop.value.code == 2  # all but the browser was understood
        elif command[:2] == ['pip', 'install']:
            assert command[2].startswith('gradio')
        else:
            assert command[0] == 'cp'  # run below
    assert seen.count('magnet-mm infer') == 2 and 'magnet-mm demo' in seen


def test_every_option_in_the_demo_table_exists(capsys):
    text = (ROOT / 'docs/demo_page.md').read_text()
    options = set(re.findall(r'`(--[a-z-]+)', text))
    with pytest.raises(SystemExit):
        demo.parse_args(['--help'])
    printed = capsys.readouterr().out
    assert {'--host', '--port', '--max-queue', '--max-upload-mb'} <= options
    assert all(option in printed for option in options)


@pytest.fixture
def photograph(tmp_path, monkeypatch):
    """The current directory with photo.jpg, made by the page's own command."""
    monkeypatch.chdir(tmp_path)
    (line,) = [line for line in '\n'.join(blocks('inference.md', 'bash')).splitlines()
               if line.startswith('cp ')]  # fmt: skip
    path = f'{Path(sys.executable).parent}:{os.environ["PATH"]}'
    subprocess.run(['bash', '-euc', line], check=True, env={**os.environ, 'PATH': path})
    return tmp_path / 'photo.jpg'


def test_the_command_on_a_photograph(photograph, random_weights, monkeypatch):
    (command,) = [c for c in commands('inference.md') if 'photo.jpg' in c and 'infer' in c]
    monkeypatch.setattr(sys, 'argv', ['magnet-mm'])
    small = {'magnet_swinb_refcoco': 'magnet_tiny_refshapes',
             'magnet_swinb_refcoco.pth': str(random_weights)}  # fmt: skip
    assert main([small.get(word, word) for word in command[1:]]) == 0
    lines = [json.loads(line) for line in Path('out/predictions.jsonl').read_text().splitlines()]
    assert [line['mask_file'] for line in lines] == ['pred/photo_00.png', 'pred/photo_01.png']
    with Image.open(photograph) as image:
        assert Image.open('out/pred/photo_00.png').size == image.size
    assert Path('out/vis/photo_00.png').is_file()
    assert any('not in the vocabulary' in note for note in lines[1]['notes'])


def test_the_program_on_a_photograph(photograph, random_weights, capsys):
    (program,) = blocks('inference.md', 'python')
    program = program.replace("'magnet_swinb_refcoco'", "'magnet_tiny_refshapes'")
    program = program.replace("'magnet_swinb_refcoco.pth'", repr(str(random_weights)))
    variables = {}
    exec(program, variables)
    results = variables['results']
    assert [result.expression for result in results] == ['the hat', 'the flag behind her']
    with Image.open(photograph) as image:
        assert all(result.mask.shape == image.size[::-1] for result in results)
    assert str(results[0].mask.shape) in capsys.readouterr().out
    assert np.asarray(Image.open('out/pred/photo_01.png')).max() in (0, 255)
    # the fields named on the page exist
    text = (ROOT / 'docs/inference.md').read_text()
    table = text[text.index('| field | what |') : text.index('**Images**')]
    names = re.findall(r'`(\w+)(?:\(\))?`', table.replace('`float32 ', '').replace('`bool', ''))
    fields = [name for name in names if hasattr(results[0], name)]
    assert {'mask', 'score', 'probability', 'picture', 'notes', 'area', 'to_dict'} <= set(fields)
