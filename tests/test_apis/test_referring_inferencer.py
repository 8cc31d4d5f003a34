# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The inferencer: equal to the evaluation, whatever the batches; refuses what does not fit."""

import http.server
import json
import pickle
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import cbook
from mmengine.config import Config
from mmengine.infer import BaseInferencer
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.registry import DATASETS, MODELS
from PIL import Image

from magnet_mm.apis import ReferringSegInferencer, referring_inferencer
from magnet_mm.apis.image_reading import read_image
from magnet_mm.apis.results import foreground_logits
from magnet_mm.engine.checkpointing.plain_types import to_plain
from magnet_mm.errors import CheckpointError, ConfigError, DataError
from magnet_mm.evaluation import ReferringMetric, decode_mask
from magnet_mm.refshapes import write_refshapes

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / 'configs/magnet_tiny_refshapes.py'
SENTENCES = ['the red circle', 'left square', 'the small green thing above the cross']


def noise(seed, height=60, width=90):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def assert_same(results, others):
    assert len(results) == len(others)
    for one, other in zip(results, others, strict=True):
        assert one.expression == other.expression
        np.testing.assert_array_equal(one.mask, other.mask)
        assert one.score == pytest.approx(other.score, abs=1e-6)


def test_results(inferencer):
    image = noise(0)
    first, second = inferencer(image, SENTENCES[:2], return_probabilities=True)
    for result in (first, second):
        assert result.mask.shape == image.shape[:2] and result.mask.dtype == bool
        assert result.probability.dtype == np.float32
        assert 0 < result.area == result.mask.sum() < result.mask.size
        np.testing.assert_array_equal(result.mask, result.probability > 0.5)
        assert result.score == pytest.approx(result.probability[result.mask].mean(), abs=1e-6)
        assert result.picture is None and result.image_path is None
    assert (first.mask != second.mask).any()
    assert inferencer(image, SENTENCES[0])[0].probability is None
    plain = json.loads(json.dumps(first.to_dict()))
    np.testing.assert_array_equal(decode_mask(plain['mask']), first.mask)
    assert (plain['image'], plain['expression']) == ('image_0000', SENTENCES[0])


def test_is_what_the_evaluation_scores(random_weights, tmp_path, monkeypatch):
    """Masks equal those of the dataset, the model and the metric at original resolution."""
    write_refshapes(tmp_path, 0, dict(train=1, val=3, testA=1, testB=1))
    monkeypatch.setenv('REFSHAPES_ROOT', str(tmp_path))
    cfg = Config.fromfile(TINY)
    with DefaultScope.overwrite_default_scope('mmseg'):
        dataset = DATASETS.build(cfg.test_dataloader.dataset)
        model = MODELS.build(cfg.model).eval()
    model.load_state_dict(torch.load(random_weights, weights_only=True)['state_dict'])
    samples = [dataset[index] for index in range(len(dataset))]
    with torch.no_grad():
        predicted = model.test_step(
            dict(
                inputs=[sample['inputs'] for sample in samples],
                data_samples=[sample['data_samples'] for sample in samples],
            )
        )
    inferencer = ReferringSegInferencer(TINY, random_weights, 'cpu')
    results = inferencer(
        [sample.img_path for sample in predicted],
        [sample.expression for sample in predicted],
        batch_size=len(predicted),  # other batch sizes round differently
    )
    metric = ReferringMetric(resolution='original')
    for sample, result in zip(predicted, results, strict=True):
        expected, _ = metric._masks(sample.to_dict())
        np.testing.assert_array_equal(result.mask, expected.numpy())


def test_batches_change_nothing(inferencer):
    images = [noise(1), noise(2, 33, 47), noise(3, 70, 20)]
    nested = [SENTENCES, SENTENCES[:1], SENTENCES[1:]]
    one_by_one = inferencer(images, nested, batch_size=1, return_probabilities=True)
    assert [result.mask.shape for result in one_by_one[2:5]] == [(60, 90), (33, 47), (70, 20)]
    for batch_size in (2, 4, 100):
        together = inferencer(images, nested, batch_size=batch_size, return_probabilities=True)
        for one, other in zip(together, one_by_one, strict=True):
            assert one.expression == other.expression
            # rounding alone: of the mask, only what lies at the threshold may change
            np.testing.assert_allclose(one.probability, other.probability, atol=1e-5)
            assert (np.abs(other.probability[one.mask != other.mask] - 0.5) < 1e-5).all()


def test_forms_of_one_image(inferencer, tmp_path):
    image = noise(4)
    Image.fromarray(image[:, :, ::-1]).save(tmp_path / 'a.png')
    expected = inferencer(image, SENTENCES[0])
    forms = (tmp_path / 'a.png', str(tmp_path), [Image.open(tmp_path / 'a.png')])
    for form in forms:
        assert_same(inferencer(form, SENTENCES[0]), expected)


def test_an_address(inferencer, tmp_path):
    Image.fromarray(noise(4)[:, :, ::-1]).save(tmp_path / 'a.png')
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f'http://127.0.0.1:{server.server_port}'
        results = inferencer(f'{url}/a.png', SENTENCES[0])
        with pytest.raises(DataError, match='b.png cannot be read'):
            inferencer(f'{url}/b.png', SENTENCES[0])
        server.shutdown()
    assert_same(results, inferencer(noise(4), SENTENCES[0]))
    assert results[0].image_name == 'a.png'


def test_an_image_is_prepared_once_for_all_its_sentences(inferencer, tmp_path, monkeypatch):
    Image.fromarray(noise(5)).save(tmp_path / 'a.png')
    read, prepared = [], []
    steps = inferencer.pipeline.image_steps

    def count_reading(source, *args):
        read.append(source)
        return read_image(source, *args)

    def count_preparing(results):
        prepared.append(results['img_path'])
        return steps(results)

    monkeypatch.setattr(referring_inferencer, 'read_image', count_reading)
    monkeypatch.setattr(inferencer.pipeline, 'image_steps', count_preparing)
    assert len(inferencer(tmp_path / 'a.png', SENTENCES, batch_size=2)) == 3
    assert read == [tmp_path / 'a.png'] and len(prepared) == 1


def test_notes(inferencer):
    known, unknown, long = inferencer(
        noise(0), ['red circle', 'the zebra and the red gnu', 'the red circle ' * 10]
    )
    assert known.notes == ()
    assert unknown.notes[0].startswith('not in the vocabulary of the model: "zebra"')
    assert '"gnu"' in unknown.notes[0]
    assert long.notes == ('only the first 18 tokens are read; cut off from '
                          '"the red circle the red circle "',)  # fmt: skip


def test_written_files(inferencer, tmp_path):
    for folder in ('one', 'two'):
        (tmp_path / folder).mkdir()
        Image.fromarray(noise(len(folder))).save(tmp_path / folder / 'same name.png')
    images = [tmp_path / 'one/same name.png', tmp_path / 'two/same name.png']
    out = tmp_path / 'out'
    results = inferencer(
        images, [SENTENCES[:2], SENTENCES[:1]], out_dir=out, return_probabilities=True
    )
    lines = [json.loads(line) for line in (out / 'predictions.jsonl').read_text().splitlines()]
    names = ['same_name_00', 'same_name_01', 'same_name-2_00']
    assert [line['mask_file'] for line in lines] == [f'pred/{name}.png' for name in names]
    assert [line['image'] for line in lines] == [str(images[0])] * 2 + [str(images[1])]
    for line, result in zip(lines, results, strict=True):
        mask = np.asarray(Image.open(out / line['mask_file']))
        np.testing.assert_array_equal(mask, result.mask * np.uint8(255))
        np.testing.assert_array_equal(decode_mask(line['mask']), result.mask)
        np.testing.assert_array_equal(np.load(out / line['probability_file']), result.probability)
        picture = np.asarray(Image.open(out / line['picture_file']))
        drawn = inferencer.visualize([line['image']], [result])[0]
        np.testing.assert_array_equal(picture, drawn)
        assert result.picture is None
    again = inferencer.save(results, tmp_path / 'again')
    assert [json.loads(one)['score'] for one in again.read_text().splitlines()] == [
        result.score for result in results
    ]
    assert not (tmp_path / 'again/vis').exists()  # these results have no pictures


def test_pictures_and_windows(inferencer, monkeypatch):
    shown = []
    monkeypatch.setattr(
        inferencer.visualizer, 'show', lambda picture, **kwargs: shown.append((picture, kwargs))
    )
    (result,) = inferencer(noise(0), 'red', return_pictures=True, show=True, wait_time=0.5)
    np.testing.assert_array_equal(shown[0][0], result.picture)
    assert shown[0][1] == dict(win_name='image_0000', wait_time=0.5)
    assert result.picture.shape[1] > 2 * 320  # image and prediction, side by side
    with pytest.raises(DataError, match='0 images but 1 results'):
        inferencer.visualize([], [result])


def test_what_was_written_stays_when_an_image_is_broken(inferencer, tmp_path):
    with pytest.raises(DataError, match='broken.png is an empty file'):
        (tmp_path / 'broken.png').touch()
        inferencer([noise(0), tmp_path / 'broken.png'], 'red', out_dir=tmp_path / 'out',
                   batch_size=1)  # fmt: skip
    assert len((tmp_path / 'out/predictions.jsonl').read_text().splitlines()) == 1


def test_progress_bar(inferencer, capfd):
    inferencer(noise(0), SENTENCES, batch_size=3)
    assert 'Inference' not in capfd.readouterr().err
    inferencer(noise(0), SENTENCES, batch_size=1)
    captured = capfd.readouterr()
    assert 'Inference' in captured.err and '100%' in captured.err
    assert captured.out == ''


def test_is_a_base_inferencer(inferencer):
    assert isinstance(inferencer, BaseInferencer)
    with pytest.raises(ValueError, match="unknown argument {'colour'}"):
        inferencer(noise(0), 'red', colour='blue')
    with pytest.raises(ConfigError, match='batch_size=0'):
        inferencer(noise(0), 'red', batch_size=0)


def test_a_photograph_and_two_channels(tmp_path):
    """LAVT predicts two channels; a photograph has another size than any training image."""
    config = Config.fromfile(ROOT / 'configs/lavt_tiny_refshapes.py')
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(config.model)
    torch.save(model.state_dict(), tmp_path / 'bare.pth')  # a state dict alone is accepted too
    photograph = cbook.get_sample_data('grace_hopper.jpg', asfileobj=False)
    inferencer = ReferringSegInferencer(config, tmp_path / 'bare.pth', 'cpu')
    (result,) = inferencer(photograph, 'the red shape', return_probabilities=True)
    with Image.open(photograph) as image:
        assert result.mask.shape == image.size[::-1]
    assert 0 < result.probability.min() < result.probability.max() < 1
    np.testing.assert_array_equal(result.mask, result.probability > 0.5)


def test_diverged_weights_are_an_error(random_weights, tmp_path):
    checkpoint = torch.load(random_weights, weights_only=True)
    key = next(key for key in checkpoint['state_dict'] if key.startswith('decode_head'))
    checkpoint['state_dict'][key].fill_(float('nan'))
    torch.save(checkpoint, tmp_path / 'nan.pth')
    with pytest.raises(CheckpointError, match='1 weights of the checkpoint hold NaN'):
        ReferringSegInferencer(TINY, tmp_path / 'nan.pth', 'cpu')


def test_logits_that_are_none(inferencer):
    data = next(inferencer.pipeline(noise(0), ('red',)))
    sample = inferencer.forward(inferencer.collate_fn([data]))[0]
    assert foreground_logits(sample)[0].shape == (60, 90)
    for logits, message in (
        (torch.zeros(3, 80, 80), 'not 3'),
        (torch.full((1, 80, 80), float('nan')), 'NaN or infinity'),
    ):
        sample.seg_logits = PixelData(data=logits)
        with pytest.raises(DataError, match=message):
            foreground_logits(sample)


class Bomb:
    def __reduce__(self):
        return print, ('this ran',)


def test_unsafe_and_unfit_checkpoints(random_weights, tmp_path, capfd):
    state_dict = torch.load(random_weights, weights_only=True)['state_dict']
    files = dict(
        bomb=dict(state_dict=state_dict, meta=Bomb()),
        wide=dict(state_dict={**state_dict, 'more': torch.zeros(1)}),
        narrow=dict(state_dict=dict(list(state_dict.items())[3:])),
        shape=dict(state_dict={k: v[..., None] for k, v in state_dict.items()}),
        odd=dict(state_dict=[1]),
    )
    for name, content in files.items():
        torch.save(content, tmp_path / f'{name}.pth')
    (tmp_path / 'legacy.pth').write_bytes(pickle.dumps(Bomb()))
    (tmp_path / 'empty.pth').touch()
    messages = dict(
        bomb='holds .*print', legacy='legacy.pth (holds|is not a checkpoint)',
        empty='damaged or incomplete', wide='1 keys unexpected: more', narrow='3 keys missing',
        shape='of the wrong shape', odd='no dict of tensors', absent='There is no checkpoint',
    )  # fmt: skip
    for name, message in messages.items():
        with pytest.raises(CheckpointError, match=message):
            ReferringSegInferencer(TINY, tmp_path / f'{name}.pth', 'cpu')
    assert 'this ran' not in capfd.readouterr().out
    with pytest.raises(CheckpointError, match='does not fit the config'):
        ReferringSegInferencer('lavt_tiny_refshapes', random_weights, 'cpu')
    with pytest.raises(CheckpointError, match='A config needs weights'):
        ReferringSegInferencer(TINY, None)


def test_training_only_parts_may_be_absent(random_weights, tmp_path, inferencer):
    checkpoint = torch.load(random_weights, weights_only=True)
    heads = [key for key in checkpoint['state_dict'] if key.startswith('auxiliary_head.')]
    assert heads
    assert not any(name.startswith('auxiliary_head.') for name in inferencer.model.state_dict())
    for key in heads:
        del checkpoint['state_dict'][key]
    torch.save(to_plain(checkpoint, 'checkpoint'), tmp_path / 'slim.pth')
    slim = ReferringSegInferencer(TINY, tmp_path / 'slim.pth', 'cpu')
    assert_same(slim(noise(0), SENTENCES), inferencer(noise(0), SENTENCES))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(test_dataloader=None), 'no test_dataloader.dataset.pipeline'),
        (dict(model=None), 'has no model'),
        (
            dict(test_dataloader=dict(dataset=dict(pipeline=[dict(type='Resize', scale=(8, 8))]))),
            'no TokenizeExpression',
        ),
    ],
)
def test_configs_of_something_else(random_weights, changes, message):
    config = Config.fromfile(TINY)
    for key, value in changes.items():
        config[key] = value
    with pytest.raises(ConfigError, match=message):
        ReferringSegInferencer(config, random_weights, 'cpu')
