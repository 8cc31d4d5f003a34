# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""``magnet-mm infer`` and ``tools/infer.py``."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib import cbook
from PIL import Image

from magnet_mm.apis import ReferringSegInferencer
from magnet_mm.cli import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _terminal(monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['magnet-mm'])
    monkeypatch.setenv('COLUMNS', '1000')


@pytest.fixture
def model(random_weights):
    return ['--config', 'magnet_tiny_refshapes', '--weights', str(random_weights)]


def read(out):
    return [json.loads(line) for line in (out / 'predictions.jsonl').read_text().splitlines()]


def test_prints_and_writes_what_the_inferencer_returns(image, model, tmp_path, capsys):
    sentences = ['the red circle', 'left [red]zebra\x1b[31m']
    out = tmp_path / 'out'
    assert main(['infer', str(image), *sentences, *model, '--out-dir', str(out),
                 '--device', 'cpu', '--batch-size', '1', '--save-probabilities']) == 0  # fmt: skip
    printed = capsys.readouterr().out
    inferencer = ReferringSegInferencer('magnet_tiny_refshapes', model[3], 'cpu')
    results = inferencer(image, sentences, batch_size=1)
    for line, result in zip(read(out), results, strict=True):
        assert line['expression'] == result.expression
        assert line['score'] == pytest.approx(result.score, abs=1e-6)  # other batches
        mask = np.asarray(Image.open(out / line['mask_file'])) > 0
        np.testing.assert_array_equal(mask, result.mask)
        assert (out / line['picture_file']).is_file() and (out / line['probability_file']).is_file()
        assert f'{result.score:.3f}' in printed and str(result.area) in printed
    assert 'a [bold]name.png' in printed  # no markup, no escape sequences
    assert 'left [red]zebra\N{REPLACEMENT CHARACTER}[31m' in printed and '\x1b' not in printed
    assert 'not in the vocabulary' in printed and f'Results: {out}' in printed


def test_every_sentence_is_asked_of_every_image_of_a_folder(image, model, tmp_path):
    Image.new('RGB', (20, 10)).save(image.parent / 'b.png')
    out = tmp_path / 'out'
    assert main(['infer', str(image.parent), 'red', 'left', *model, '--out-dir', str(out)]) == 0
    pairs = [(Path(line['image']).name, line['expression']) for line in read(out)]
    names = ('a [bold]name.png', 'b.png')
    assert pairs == [(name, sentence) for name in names for sentence in ('red', 'left')]


def test_the_model_in_the_box_needs_no_arguments(image, model_in_box, capsys):
    assert main(['infer', str(image), 'the red circle']) == 0
    (result,) = ReferringSegInferencer(model_in_box, device='cpu')(image, 'the red circle')
    printed = capsys.readouterr().out
    assert 'the red circle' in printed and f'{result.score:.3f}' in printed


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['nowhere.png', 'red'], 'nowhere.png cannot be read'),
        (['nowhere.png', ' '], 'A sentence of nowhere.png is blank'),
        (['.', 'red'], 'holds no image'),
        (['nowhere.png', 'red', '--save-probabilities'], 'needs --out-dir'),
    ],
)
def test_errors_are_sentences(arguments, message, model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(['infer', *arguments, *model]) == 1
    error = capsys.readouterr().err
    assert error.startswith('magnet-mm infer: ') and message in error
    assert 'Traceback' not in error


@pytest.mark.slow
def test_the_tool_on_a_photograph(model, tmp_path, run_tool):
    """The command of docs/inference.md, on the photograph that ships with matplotlib."""
    photograph = cbook.get_sample_data('grace_hopper.jpg', asfileobj=False)
    tool = ROOT / 'tools/infer.py'
    run_tool(
        tool, photograph, 'the hat', 'the flag behind her', *model, '--out-dir', 'out', cwd=tmp_path
    )
    lines = read(tmp_path / 'out')
    assert [line['expression'] for line in lines] == ['the hat', 'the flag behind her']
    with Image.open(photograph) as image:
        for line in lines:
            assert Image.open(tmp_path / 'out' / line['mask_file']).size == image.size
            assert line['mask']['size'] == [image.height, image.width]
