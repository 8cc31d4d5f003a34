# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The model in the box: written from a run of the demo, opened without an argument."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from write_box import main as write_box

from magnet_mm.apis import ReferringSegInferencer, sample_picture
from magnet_mm.errors import ConfigError, DataError
from magnet_mm.refshapes import write_refshapes
from magnet_mm.sharing import box


@pytest.fixture
def run(random_weights, tmp_path, monkeypatch):
    """What ``make demo`` leaves, of random weights and two small splits."""
    write_refshapes(tmp_path / 'data', 0, dict(train=1, val=3, testA=1, testB=1))
    monkeypatch.setenv('REFSHAPES_ROOT', str(tmp_path / 'data'))
    folder = tmp_path / 'demo'
    log = folder / '20260101_000000/vis_data/scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text('{"loss": 3.0, "time": 0.2}\n{"loss": 2.0, "time": 0.3}\n{"oIoU": 50.0}\n')
    shutil.copy(random_weights, folder / 'best_oIoU_epoch_2.pth')
    torch.save(dict(state_dict={}, meta=dict(iter=1234, epoch=3)), folder / 'epoch_3.pth')
    (folder / 'last_checkpoint').write_text(str(folder / 'epoch_3.pth'))
    scores = dict(oIoU=99.0)  # of float32; those of the box are measured
    (folder / 'results.json').write_text(json.dumps(dict(val=scores, val_blank=scores)))
    return folder


def test_is_written_from_a_run(run, random_weights, tmp_path):
    out = tmp_path / 'box'
    write_box([str(run), '--out', str(out), '--sample', '1'])
    files = {path.relative_to(out).as_posix() for path in out.rglob('*') if path.is_file()}
    assert files == {
        'README.md', 'config.json', 'model.safetensors', 'sample.png', 'sample.txt', 'scores.json',
        'tokenizer/tokenizer.json', 'tokenizer/tokenizer_config.json',
    }  # fmt: skip
    scores = json.loads((out / 'scores.json').read_text())
    assert list(scores) == ['val', 'val_blank'] and 0 < scores['val']['oIoU'] < 99
    card = (out / 'README.md').read_text()
    assert '3 epochs, 1,234 steps' in card and f'| val | {scores["val"]["oIoU"]:.2f} |' in card
    assert 'ReferringSegInferencer()' in card
    opened = ReferringSegInferencer(out, device='cpu')
    weights = torch.load(random_weights, weights_only=True)['state_dict']
    for key, value in opened.model.state_dict().items():
        if value.is_floating_point():
            assert torch.equal(value, weights[key].half().float())
    with Image.open(out / 'sample.png') as image:
        assert np.asarray(image).shape == (138, 164, 3)  # scene 1 of val
    assert 'big cross in green' in (out / 'sample.txt').read_text()


def test_nothing_but_a_box_is_replaced(run, shared, tmp_path, monkeypatch):
    scores = json.dumps(dict(val=dict(oIoU=12.5)))
    monkeypatch.setattr(
        'magnet_mm.cli.test.main', lambda arguments: Path(arguments[-1]).write_text(scores)
    )
    box_before = shutil.copytree(shared, tmp_path / 'box')
    write_box([str(run), '--out', str(box_before)])
    assert json.loads((box_before / 'scores.json').read_text())['val'] == dict(oIoU=12.5)
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine/file').touch()
    with pytest.raises(ConfigError, match='has no config.json'):
        write_box([str(run), '--out', str(tmp_path / 'mine')])
    assert (tmp_path / 'mine/file').is_file()


def test_a_run_that_is_not_complete(run):
    (run / 'results.json').unlink()
    with pytest.raises(DataError, match='not the folder of a finished demo'):
        write_box([str(run)])
    (run / 'best_oIoU_epoch_1.pth').touch()
    (run / 'results.json').write_text('{}')
    with pytest.raises(DataError, match='2 files best_oIoU_epoch'):
        write_box([str(run)])


def test_opens_without_an_argument(model_in_box):
    picture, sentences = sample_picture()
    inferencer = ReferringSegInferencer(device='cpu')
    results = inferencer(picture, sentences)
    assert [result.expression for result in results] == sentences and len(sentences) > 1
    assert inferencer.name == 'magnet_tiny_refshapes'
    assert not any(result.notes for result in results)  # it knows every word


def test_a_copy_without_it(tmp_path, monkeypatch):
    monkeypatch.setattr(box, 'FOLDER', tmp_path)
    with pytest.raises(ConfigError, match='There is no model in'):
        ReferringSegInferencer()


@pytest.mark.skipif(
    not (box.FOLDER / 'config.json').is_file(), reason='make box has not been committed yet'
)
def test_the_committed_one():
    size = sum(path.stat().st_size for path in box.FOLDER.rglob('*') if path.is_file())
    assert size <= 8_000_000
    scores = json.loads((box.FOLDER / 'scores.json').read_text())
    assert scores['val']['oIoU'] >= 60 and scores['val_shuffled']['oIoU'] <= 20
    picture, sentences = sample_picture()
    found = ReferringSegInferencer(device='cpu')(picture, sentences)
    assert all(result.score > 0.5 for result in found)  # it is sure of what it draws
