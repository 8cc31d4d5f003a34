# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A shared model's folder: equal when read back, plain data, and refused where it could do harm."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from safetensors.torch import load_file

from magnet_mm.apis import ReferringSegInferencer
from magnet_mm.engine.checkpointing.safetensors_files import write_safetensors
from magnet_mm.errors import CheckpointError, ConfigError
from magnet_mm.sharing import read_folder

ROOT = Path(__file__).resolve().parents[2]
# a tokenizer of each kind, nested and plain heads, two channels
SYSTEMS = ('cmpc', 'cris', 'efn', 'lavt', 'vlt')
IMAGE = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
SENTENCES = ['the red circle', 'a zebra left of the small green square above it']


def results(inferencer):
    return inferencer(IMAGE, SENTENCES, return_probabilities=True)


def assert_same(one, other):
    for key, value in one.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[key]), key
    for first, second in zip(results(one), results(other), strict=True):
        np.testing.assert_array_equal(first.probability, second.probability)
        assert (first.expression, first.notes) == (second.expression, second.notes)


def test_is_read_back_bit_for_bit(inferencer, shared, tmp_path):
    opened = ReferringSegInferencer(shared, device='cpu')
    assert_same(inferencer, opened)
    assert opened.name == 'magnet_tiny_refshapes'
    again = opened.save_pretrained(tmp_path / 'again')  # a folder of a folder
    assert_same(inferencer, ReferringSegInferencer(str(again), device='cpu'))
    assert (again / 'config.json').read_bytes() == (shared / 'config.json').read_bytes()


@pytest.mark.parametrize('system', SYSTEMS)
def test_other_systems_too(system, tmp_path):
    config = Config.fromfile(ROOT / f'configs/{system}_tiny_refshapes.py')
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(config.model)
    write_safetensors(tmp_path / 'random.safetensors', model.state_dict())
    inferencer = ReferringSegInferencer(config, tmp_path / 'random.safetensors', 'cpu')
    folder = inferencer.save_pretrained(tmp_path / 'model')
    assert_same(inferencer, ReferringSegInferencer(folder, device='cpu'))


def test_moves_to_another_place(inferencer, shared, tmp_path):
    moved = shutil.copytree(shared, tmp_path / 'elsewhere')
    config, weights = read_folder(moved)
    assert weights == tmp_path / 'elsewhere/model.safetensors'
    tokenizer = config.test_dataloader.dataset.pipeline[1].tokenizer
    assert tokenizer.name == str(tmp_path / 'elsewhere/tokenizer')
    assert config.test_dataloader.dataset.dataset_name == 'refshapes'
    assert config.model.data_preprocessor.size == (80, 80)  # a tuple, as in the config
    assert config.model.data_preprocessor.mean == [123.675, 116.28, 103.53]


def test_half_precision(inferencer, tmp_path):
    folder = inferencer.save_pretrained(tmp_path / 'half', half=True)
    opened = ReferringSegInferencer(folder, device='cpu')
    for key, value in inferencer.model.state_dict().items():
        rounded = value.half().to(value.dtype) if value.is_floating_point() else value
        assert torch.equal(opened.model.state_dict()[key], rounded)
    stored = {value.dtype for value in load_file(folder / 'model.safetensors').values()}
    assert stored == {torch.float16, torch.int64}


def test_there_is_nothing_but_data_in_it(shared):
    files = sorted(path.relative_to(shared).as_posix() for path in shared.rglob('*.*'))
    assert files == [
        'README.md', 'config.json', 'model.safetensors', 'scores.json',
        'tokenizer/tokenizer.json', 'tokenizer/tokenizer_config.json',
    ]  # fmt: skip
    config = (shared / 'config.json').read_text()
    assert 'auxiliary_head' not in config and str(shared.parent) not in config
    assert json.loads((shared / 'scores.json').read_text())['val']['oIoU'] == 71.234


def test_no_file_of_the_user_is_lost(inferencer, tmp_path, monkeypatch):
    (tmp_path / 'mine.txt').write_text('mine')
    with pytest.raises(ConfigError, match='exists and is not empty'):
        inferencer.save_pretrained(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['mine.txt']
    weights = dict(inferencer.model.state_dict(), broken=torch.tensor(torch.inf))
    monkeypatch.setattr(inferencer.model, 'state_dict', lambda: weights)
    with pytest.raises(CheckpointError, match='broken holds NaN or infinity'):
        inferencer.save_pretrained(tmp_path / 'broken')
    assert [path.name for path in tmp_path.iterdir()] == ['mine.txt']


def evil_model(**values):
    return lambda config: config['model']['decode_head'].update(values)


def evil_tokenizer(**values):
    return lambda config: config['pipeline'][1]['tokenizer'].update(values)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (evil_model(type='subprocess.Popen', args=['touch', 'ran']), 'subprocess.Popen'),
        (evil_model(type='os.system'), 'no registered component'),
        (evil_model(type='magnet_mm.apis.ReferringSegInferencer'), 'no registered component'),
        (evil_model(type=['LAVTHead']), 'no registered component'),
        (evil_model(_scope_='evil'), '_scope_'),
        (evil_model(loss=dict(type='CrossEntropyLoss', class_weight='/x.pkl')), 'reads no file'),
        (
            evil_model(loss=dict(class_weight='config.json')),
            'reads no file',
        ),  # of the folder it is in
        (evil_model(loss=dict(class_weight='folder://x.pkl')), 'reads no file'),
        (
            evil_model(distill=dict(type='mmdet.KnowledgeDistillationSingleStageDetector')),
            'may not hold',
        ),
        (evil_tokenizer(type='subprocess.Popen'), 'no registered component'),
        (evil_tokenizer(name='folder://../../etc'), 'leads out of the folder'),
        (evil_tokenizer(name='folder:///etc'), 'leads out of the folder'),
        (evil_tokenizer(name='somebody/tokenizer'), "the folder's own files"),
        (lambda config: config['pipeline'][1].update(tokenizer='bert-base-uncased'), 'own files'),
        (lambda config: config.update(custom_imports=dict(imports=['antigravity'])), 'format 1'),
        (lambda config: config.update(format=2), 'another version'),
        (lambda config: config.update(model=[]), 'model is no object'),
        (lambda config: config['pipeline'].append(dict(type='os.system')), 'no registered'),
    ],
)
def test_what_could_do_harm_is_refused(edited, change, message, monkeypatch):
    folder = edited(change)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(subprocess, 'Popen', None)  # nobody gets that far
    with pytest.raises(ConfigError, match=message):
        ReferringSegInferencer(folder)


def test_python_of_the_folder_is_not_read(edited):
    folder = edited(lambda config: None)
    for name in ('config.py', 'magnet_tiny_refshapes.py', 'tokenizer/tokenization.py'):
        (folder / name).write_text('raise SystemExit("this ran")')
    ReferringSegInferencer(folder, device='cpu')


@pytest.mark.parametrize(
    ('name', 'content', 'error', 'message'),
    [
        ('config.json', b'{', ConfigError, 'config.json is no JSON'),
        ('config.json', b'[' * 100_000, ConfigError, 'config.json is no JSON'),
        ('config.json', None, ConfigError, 'has no config.json'),
        ('model.safetensors', b'\x80\x04', CheckpointError, 'damaged or incomplete'),
        ('model.safetensors', None, ConfigError, 'has no model.safetensors'),
    ],
)
def test_damaged_folders(edited, name, content, error, message):
    folder = edited(lambda config: None)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(error, match=message):
        ReferringSegInferencer(folder)


def test_names_of_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('magnet_tiny_refshape', 'a/b/c'):
        with pytest.raises(CheckpointError, match='neither the folder of a shared model'):
            ReferringSegInferencer(name)
    for config in ('magnet_tiny_refshapes', 'configs/magnet_tiny_refshapes.py', {'model': {}}):
        with pytest.raises(CheckpointError, match='A config needs weights'):
            ReferringSegInferencer(config)
    with pytest.raises(ConfigError, match='need the config'):
        ReferringSegInferencer(weights='x.pth')
