# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Every command of docs/data.md runs, in order, in a folder with small data; its examples hold."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS, METRICS

from magnet_mm.data_tools.checking import check_root
from magnet_mm.datasets.annotations.jsonl_annotations import parse_line, read_jsonl
from magnet_mm.datasets.annotations.refer_annotations import read_refs

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / 'docs' / 'data.md').read_text(encoding='utf-8')
#: Added to the generators, so that they take seconds.
SMALLER = {
    'make_refshapes.py': '--train 6 --val 4 --testA 4 --testB 4',
    'make_refcoco_imitation.py': '--share 0.002',
}


def blocks(language: str) -> list[str]:
    return re.findall(rf'^```{language}\n(.*?)^```', PAGE, re.S | re.M)


def commands() -> list[str]:
    return [line for block in blocks('bash') for line in block.splitlines() if line.strip()]


def run(command: str, monkeypatch) -> int:
    """Runs a tool in this process (importing the package takes long), all else in a shell."""
    words = shlex.split(command)
    if words[:1] != ['python']:
        return subprocess.run(command, shell=True, check=False).returncode
    tool = Path(words[1])
    words += SMALLER.get(tool.name, '').split()
    monkeypatch.syspath_prepend(str(tool.parent))
    monkeypatch.setattr(sys, 'argv', words[1:])
    spec = importlib.util.spec_from_file_location(f'{tool.stem}_of_the_page', tool)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main()


@pytest.mark.slow
def test_commands_run(tmp_path, monkeypatch, capfd):
    for name in ('tools', 'configs'):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    listed = commands()
    assert len(listed) >= 9
    for command in listed:
        # the small imitation lacks most of RefCOCO, and the checker says so
        expected = 1 if command.endswith('check_data.py data/imitation') else 0
        assert run(command, monkeypatch) == expected, command
    out = capfd.readouterr().out
    assert 'own data' in out and 'data/converted/own: ' in out
    assert json.loads(Path('work_dirs/check.json').read_text())['ok']
    refs = read_refs('data/converted/own/refs(unc).p')
    original = read_refs('data/refshapes/refshapes/refs(unc).p')
    assert [ref['ref_id'] for ref in refs] == [
        ref['ref_id'] for ref in original if ref['split'] == 'val'
    ]
    assert len(read_jsonl('data/refshapes/two.jsonl')) == 2
    assert check_root('data/refshapes', images=True).ok


def test_lines_of_the_format_are_valid():
    lines = [line for block in blocks('json') for line in block.splitlines()]
    records = [parse_line(line, 'docs/data.md') for line in lines]
    assert [len(record['sentences']) for record in records] == [1, 2, 1, 1]
    assert [record['no_target'] for record in records] == [False, False, False, True]


def test_config_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / '_base_').symlink_to(ROOT / 'configs' / '_base_')
    [text] = blocks('python')
    (tmp_path / 'magnet_swinb_own.py').write_text(text)
    monkeypatch.setenv('JSONL_ROOT', str(tmp_path))
    line = dict(image='a.jpg', expression='x', mask=[0, 0, 9, 0, 9, 9])
    for split in ('train', 'val'):
        (tmp_path / f'{split}.jsonl').write_text(json.dumps(line))
    config = Config.fromfile(tmp_path / 'magnet_swinb_own.py')
    assert config.model.type == 'ReferringSegmentor'
    for loader, split in ((config.train_dataloader, 'train'), (config.val_dataloader, 'val')):
        dataset = DATASETS.build(dict(loader.dataset, pipeline=[]))
        assert len(dataset) == 1 and dataset[0]['split'] == split
        assert dataset[0]['img_path'] == str(tmp_path / 'a.jpg')
    blank = DATASETS.build(dict(config.test_dataloader.dataset, split='val_blank', pipeline=[]))
    assert blank[0]['expression'] == ''
    assert METRICS.build(config.val_evaluator).resolution == 'input'


def test_names_on_the_page_exist():
    for path in re.findall(r'`((?:configs|tools|docs)/[\w/.+-]+\.\w+)`', PAGE):
        assert (ROOT / path).is_file() or path == 'configs/magnet_swinb_own.py', path
    assert METRICS.get('GeneralizedReferringMetric').__name__ in PAGE
    assert DATASETS.get('GeneralizedReferringDataset').__name__ in PAGE
