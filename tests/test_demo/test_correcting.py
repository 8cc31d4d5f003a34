# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Corrected answers become own data: what is saved is what was painted."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from page_client import data_url, noise_picture
from PIL import Image

from magnet_mm.apis.image_reading import read_image
from magnet_mm.cli import main
from magnet_mm.datasets.annotations.jsonl_annotations import read_jsonl
from magnet_mm.demo.collecting import Collection
from magnet_mm.demo.correcting import Corrector, painted
from magnet_mm.errors import DataError
from magnet_mm.evaluation import decode_mask

MASK = np.zeros((60, 90), bool)
MASK[10:30, 20:50] = True
NAMED = data_url(noise_picture(0)[1]).replace(';base64', ';name=My%20desk%2F..%2F1.jpeg;base64')


@pytest.fixture
def corrector(tmp_path):
    def infer(image, sentence):
        return [SimpleNamespace(mask=MASK)]

    return Corrector(infer, 2**20, Collection(tmp_path / 'own'))


def lines_of(corrector):
    return [json.loads(line) for line in corrector.collection.lines.read_text().splitlines()]


def test_an_answer_is_corrected_and_saved(corrector, capsys):
    editor, sentence, message, picture = corrector.start(NAMED, ' \nthe red mug\nleft', '')
    assert sentence == 'the red mug' and 'Paint' in message and picture is NAMED
    assert editor['background'].shape == (800, 800, 3) and editor['composite'] is None
    assert (editor['background'][534:] == 128).all()  # 60 of 90 are 533 of 800
    (layer,) = editor['layers']
    assert layer[200, 200].tolist() == [213, 94, 0, 153] and not layer[534:].any()
    layer[:71] = (213, 94, 0, 9)  # painted over the first rows, however faint
    layer[600:] = (213, 94, 0, 255)  # and beside the picture
    assert 'Saved: line 1 of' in corrector.save(NAMED, editor, sentence, False)
    (record,) = read_jsonl(str(corrector.collection.lines))
    expected = MASK.copy()
    expected[:8] = True  # 71 rows of 533 are 8 of 60
    np.testing.assert_array_equal(decode_mask(record['segmentation']), expected)
    assert record['sentences'][0]['raw'] == 'the red mug'
    stored = corrector.collection.folder / record['file_name']
    assert stored.name == '1.png'  # its own name, but what it is
    assert stored.read_bytes() == noise_picture(0)[1]

    assert 'line 2 of' in corrector.save(NAMED, None, 'the cat', True)
    assert lines_of(corrector)[1] == dict(image='images/1.png', expression='the cat', mask=None)
    assert main(['check-data', str(corrector.collection.folder), '--images']) == 0
    assert 'OK: 0 errors' in capsys.readouterr().out


def test_no_picture_is_overwritten(corrector):
    for seed in (0, 1, 2, 1):
        picture = data_url(noise_picture(seed)[1]).replace(';base64', ';name=a.png;base64')
        corrector.save(picture, None, 'x', True)
    names = [line['image'] for line in lines_of(corrector)]
    assert names == ['images/a.png', 'images/a_2.png', 'images/a_3.png', 'images/a_2.png']
    for seed, name in enumerate(names[:3]):
        content = (corrector.collection.folder / name).read_bytes()
        assert content == noise_picture(seed)[1]


def test_many_at_once_lose_no_line(corrector):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: corrector.save(NAMED, None, f'thing {n}', True), range(20)))
    assert {line['expression'] for line in lines_of(corrector)} == {
        f'thing {number}' for number in range(20)
    }
    corrector.collection.lines.write_text('{"image": "a"}')  # an editor left no line end
    corrector.save(NAMED, None, 'last', True)
    assert [line['image'] for line in lines_of(corrector)] == ['a', 'images/1.png']


def test_a_photograph_stored_sideways_is_written_upright(corrector):
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, 'JPEG', exif=exif)
    upright = read_image(buffer.getvalue(), 'here')
    assert upright.shape == (60, 40, 3)
    corrector.save(data_url(buffer.getvalue()), None, 'x', True)
    (line,) = lines_of(corrector)
    assert line['image'] == 'images/image.png'
    stored = read_image(str(corrector.collection.folder / line['image']), 'here')
    np.testing.assert_array_equal(stored, upright)


@pytest.mark.parametrize(
    ('picture', 'editor', 'sentence', 'told'),
    [
        (None, None, 'x', 'Draw the answer'),
        ('', None, 'x', 'Choose an image first'),
        (NAMED, None, ' ', 'Type what to look for'),
        (NAMED, None, 'x', 'Nothing is painted'),
        (NAMED, dict(layers=[np.zeros((800, 800, 4), np.uint8)]), 'x', 'Nothing is painted'),
    ],
)
def test_what_cannot_be_saved(corrector, picture, editor, sentence, told):
    assert told in corrector.save(picture, editor, sentence, False)
    assert not corrector.collection.folder.exists()


def test_starting_without_a_picture(corrector):
    editor, sentence, message, picture = corrector.start(None, 'x', None)
    assert (
        editor is None
        and picture is None
        and sentence == 'x'
        and 'Choose an image first' in message
    )


def test_layers_are_united():
    layers = [np.zeros((800, 800, 4), np.uint8) for _ in range(2)]
    layers[0][:100, :100, 3] = layers[1][500:600, 700:, 3] = 1
    assert np.argwhere(painted(dict(layers=layers), (6, 8))).tolist() == [[0, 0], [5, 7]]


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(DataError, match='cannot be written'):
        Collection(tmp_path / 'file').add(b'', 'a.png', MASK, 'x', None)
