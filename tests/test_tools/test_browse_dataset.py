# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""tools/analysis_tools/browse_dataset.py: what the pipeline yields is what is drawn."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path

import cv2
import mmcv
import mmseg
import numpy as np
import pytest
import torch
from mmengine.config import Config

from magnet_mm.datasets.samplers import EpochIndex
from magnet_mm.refshapes import write_refshapes
from magnet_mm.visualization import draw_panels
from magnet_mm.visualization.pipeline_pictures import (
    draw_pipeline_item,
    find_tokenizing,
    read_tokens,
)

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = str(REPOSITORY / 'configs' / 'magnet_tiny_refshapes.py')


@pytest.fixture(scope='module')
def tool():
    path = REPOSITORY / 'tools' / 'analysis_tools' / 'browse_dataset.py'
    spec = importlib.util.spec_from_file_location('browse_dataset', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    root = tmp_path_factory.mktemp('refshapes') / 'data'
    write_refshapes(root, 0, dict(train=4, val=2, testA=1, testB=1))
    return root


@pytest.fixture(autouse=True)
def environment(data_root, monkeypatch):
    monkeypatch.setenv('REFSHAPES_ROOT', str(data_root))


def test_draws_the_training_pipeline(tool, tmp_path, capsys):
    tool.main([CONFIG, '--number', '3', '--select', 'first', '--epoch', '2',
               '--out-dir', str(tmp_path)])  # fmt: skip
    dataset = tool.build_dataset(Config.fromfile(CONFIG), 'train')
    printed = capsys.readouterr().out
    paths = sorted(tmp_path.glob('0*.png'))
    assert len(paths) == 3
    for index, path in enumerate(paths):
        item = dataset[EpochIndex(index, 2, 0)]
        sample = item['data_samples']
        assert path.name == f'{index:06d}_ref{sample.ref_id}_sent{sample.sent_id}.png'
        expected = draw_pipeline_item(item, read_tokens(item, find_tokenizing(dataset)))
        assert (mmcv.imread(str(path), channel_order='rgb') == expected).all()
        assert sample.expression.split()[0] in printed
    assert cv2.imread(str(tmp_path / 'contact_sheet.png')) is not None
    assert '3 pictures and' in printed


def test_other_splits_use_the_test_pipeline(tool, tmp_path, capsys):
    tool.main([CONFIG, '--split', 'val_blank', '--number', '2', '--out-dir', str(tmp_path)])
    assert 'val_blank: 2 of' in capsys.readouterr().out
    dataset = tool.build_dataset(Config.fromfile(CONFIG), 'val_blank')
    assert dataset.test_mode and dataset[0]['data_samples'].expression == ''


def test_picture_shows_input_mask_and_tokens(tool):
    dataset = tool.build_dataset(Config.fromfile(CONFIG), 'train')
    item = dataset[0]
    sentence = read_tokens(item, find_tokenizing(dataset))
    expression = item['data_samples'].expression
    assert sentence.tokens == ('[CLS]', *expression.split(), '[SEP]')
    assert (sentence.room, sentence.whole) == (20, len(sentence.tokens))
    image = item['inputs'].numpy().transpose(1, 2, 0)[..., ::-1]
    mask = item['data_samples'].gt_sem_seg.data[0].numpy()
    panels = draw_panels(np.ascontiguousarray(image), expression, mask)
    drawn = draw_pipeline_item(item, sentence)
    assert (drawn[: len(panels)] == panels).all()
    assert (drawn[len(panels) + 6 :] < 100).any()  # the tokens below


def test_says_what_the_model_does_not_see(tool):
    dataset = tool.build_dataset(Config.fromfile(CONFIG), 'train')
    tokenizing = find_tokenizing(dataset)
    item = dataset[0]
    item['data_samples'].set_metainfo(dict(expression='zebra ' + 'red ' * 30 + '\x1b[31m'))
    ids = torch.full((20,), 7)
    ids[1] = 1  # [UNK] of the shipped vocabulary
    item['data_samples'].input_ids, item['data_samples'].attention_mask = ids, torch.ones(20)
    line = read_tokens(item, tokenizing).describe()
    assert '20 of 20 tokens, cut off: the sentence has' in line
    assert line.endswith('1 not in the vocabulary)')
    assert '\x1b' not in line


def test_choice_of_items(tool):
    assert tool.choose(11, 3, 'spread', 0) == [0, 5, 10]
    assert tool.choose(11, 3, 'first', 0) == [0, 1, 2]
    assert sorted(tool.choose(4, 9, 'random', 0)) == [0, 1, 2, 3]
    assert tool.choose(99, 5, 'random', 1) == tool.choose(99, 5, 'random', 1)


def test_errors_are_sentences(tool, tmp_path):
    with pytest.raises(SystemExit, match='browse_dataset: There is no config file'):
        tool.main(['/nowhere.py', '--out-dir', str(tmp_path)])
    with pytest.raises(SystemExit, match='browse_dataset: .*nosuch'):
        tool.main([CONFIG, '--split', 'nosuch', '--out-dir', str(tmp_path)])


@pytest.mark.parametrize('config', ['magnet_tiny_refshapes', 'lavt_tiny_refshapes'])
def test_truth_33_mmseg_browses_our_configs(config, tmp_path, monkeypatch):
    script = Path(mmseg.__file__).parent / '.mim/tools/analysis_tools/browse_dataset.py'
    if not script.is_file():
        pytest.skip('mmseg was installed without its tools')
    arguments = [str(REPOSITORY / 'configs' / f'{config}.py'), '--not-show']
    monkeypatch.setattr(sys, 'argv', [script.name, *arguments, '--output-dir', str(tmp_path)])
    runpy.run_path(str(script), run_name='__main__')
    pictures = sorted(tmp_path.glob('*'))
    assert pictures and all(mmcv.imread(str(path)).std() > 0 for path in pictures)
