# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What users see: tables, JSON and exit codes."""

import json
import runpy
import sys
from pathlib import Path

import pytest

from magnet_mm.data_tools.checking.command_line import main

TOOL = Path(__file__).resolve().parents[3] / 'tools' / 'dataset_tools' / 'check_data.py'


def test_sound_data(root, capsys, tmp_path):
    assert main([str(root), '--images', '--json', str(tmp_path / 'new' / 'result.json')]) == 0
    out = ' '.join(capsys.readouterr().out.split())
    assert 'layout of the refer API, images in images/mscoco/images/train2014' in out
    assert 'refshapes (unc)' in out and 'as expected' in out and '26 of 26' in out
    assert 'OK: 0 errors' in out and '26 images decoded' in out
    result = json.loads((tmp_path / 'new' / 'result.json').read_text())
    assert result['ok'] and result['layout'] == 'refer' and result['decoded'] == 26
    assert {split['split']: split['images'] for split in result['splits']} == {
        'train': 12, 'val': 6, 'testA': 4, 'testB': 4,
    }  # fmt: skip
    assert all(split['published']['refs'] == split['refs'] for split in result['splits'])


def test_broken_data_says_what_to_do(root, capsys, tmp_path):
    for path in sorted((root / 'images/mscoco/images/train2014').iterdir())[:5]:
        path.unlink()
    (root / 'refcocog').mkdir()
    assert main([str(root), '--json', str(tmp_path / 'result.json')]) == 1
    out = ' '.join(capsys.readouterr().out.replace('│', ' ').split())
    assert 'NOT OK: 3 errors' in out and '21 of 26' in out
    assert ' 5 x: ' in out and ', ...' in out
    assert 'make_refshapes.py' in out and 'https://github.com/lichengunc/refer' in out
    found = json.loads((tmp_path / 'result.json').read_text())['findings']
    assert {'level', 'where', 'problem', 'advice', 'count', 'examples'} == set(found[0])
    assert sorted(one['where'] for one in found if one['level'] == 'error') == [
        'refcocog/instances.json',
        'refcocog/refs(umd).p',
        'refshapes',
    ]
    [images] = [one for one in found if one['where'] == 'refshapes']
    assert images['count'] == 5 and images['examples'][0] == 'COCO_train2014_000000000001.jpg'
    assert [one['where'] for one in found if one['level'] == 'note'] == ['refcocog/refs(google).p']


def test_names_from_files_are_no_markup(root, capsys, edit_instances):
    edit_instances(lambda c: c['images'][0].update(file_name='[red]x[/red] [/].jpg'))
    assert main([str(root)]) == 1
    assert '[/].jpg' in capsys.readouterr().out


def test_usage(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(['--help'])
    assert exit_info.value.code == 0 and '--images' in capsys.readouterr().out
    with pytest.raises(SystemExit) as exit_info:
        main([])
    assert exit_info.value.code == 2


def test_the_tool_exits_with_the_code(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', [str(TOOL), str(tmp_path / 'absent')])
    monkeypatch.setattr(sys, 'path', list(sys.path))
    with pytest.raises(SystemExit) as exit_info:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert exit_info.value.code == 1 and 'does not exist' in capsys.readouterr().out
