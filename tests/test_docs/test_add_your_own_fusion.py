# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The tutorial's code blocks are written to the files that they name, and run."""

import re
import runpy
import shutil
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs' / 'tutorials' / 'add_your_own_fusion.md'
BLOCKS = {
    block.split('\n')[0].removeprefix('# '): block
    for block in re.findall(r'```python\n(.+?)```', PAGE.read_text('utf-8'), re.DOTALL)
}
CONFIGS = [name for name in BLOCKS if name.startswith('configs/')]


@pytest.fixture(scope='module')
def directory(tmp_path_factory):
    """The files of the tutorial beside the shipped configs."""
    path = tmp_path_factory.mktemp('tutorial')
    shutil.copytree(ROOT / 'configs', path / 'configs')
    for name, text in BLOCKS.items():
        (path / name).write_text(text, 'utf-8')
    return path


@pytest.fixture(autouse=True)
def _there(directory, monkeypatch):
    monkeypatch.chdir(directory)
    monkeypatch.syspath_prepend(str(directory))


def test_sixty_lines():
    code = BLOCKS['film_fusion.py'] + BLOCKS['configs/film_tiny_refshapes.py']
    assert len(code.strip().split('\n')) <= 60
    assert len(BLOCKS) == 6


def test_the_script_runs(capsys):
    runpy.run_path('try_film.py')
    assert capsys.readouterr().out.endswith('ok\n')
    assert 'film_fusion' in sys.modules


@pytest.mark.parametrize('name', CONFIGS)
def test_every_config_trains(name, build_model, make_samples):
    config = Config.fromfile(name)
    if 'adapter' in config.model.backbone.visual.type.lower():
        # The adapter opens it: language reaches the stages.
        assert build_model(config.model).backbone.visual.stagewise
    model = build_model(config.model).train()
    images, samples = make_samples(batch=2, size=64)
    for sample in samples:
        sample.input_ids %= 54
    loss, _ = model.parse_losses(model.loss(images, samples))
    loss.backward()
    assert torch.isfinite(loss)
    assert not [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]


def test_padding_does_not_matter(build_model):
    model = build_model(Config.fromfile('configs/film_tiny_refshapes.py').model).eval()
    mask = torch.tensor([[1, 1, 1, 1, 0, 0]])
    ids = torch.tensor([[2, 7, 8, 3, 0, 0]])
    with torch.no_grad():
        logits = [
            model.predict_logits(torch.ones(1, 3, 64, 64), ids + 9 * last, mask)
            for last in (0, 1 - mask)
        ]
    torch.testing.assert_close(*logits)
