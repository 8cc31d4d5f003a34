# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What the page answers, without a server."""

import logging

import cv2
import mmcv
import numpy as np
import pytest
from page_client import data_url, masks_in, noise_picture, pixels

from magnet_mm.demo.answering import Answerer, split_sentences
from magnet_mm.demo.examples import make_examples
from magnet_mm.demo.rendering import fit_to_page, render_hint
from magnet_mm.errors import DataError
from magnet_mm.visualization import heat_map, overlay_sentences

SENTENCES = ['the red circle', 'left square']


@pytest.fixture(scope='session')
def answer(inferencer):
    return Answerer(inferencer, max_bytes=2**20)


def sources(html):
    return [part.split('"', 1)[0] for part in html.split(' src="')[1:]]


def test_overlay_heat_maps_masks_and_scores(answer, inferencer):
    image, content = noise_picture(0)
    html, heats = answer(data_url(content), '\n\n'.join(SENTENCES))
    results = inferencer(image, SENTENCES, return_probabilities=True)
    for mask, result in zip(masks_in(html), results, strict=True):
        np.testing.assert_array_equal(mask, result.mask)
        assert f'score {result.score:.3f}' in html and result.expression in html
    shown = fit_to_page(mmcv.bgr2rgb(image))
    assert shown.shape == (427, 640, 3)
    masks = [
        cv2.resize(result.mask.astype(np.uint8), (640, 427), interpolation=cv2.INTER_NEAREST_EXACT)
        for result in results
    ]
    np.testing.assert_array_equal(pixels(sources(html)[0]), overlay_sentences(shown, masks))
    for source, result in zip(sources(heats), results, strict=True):
        expected = heat_map(shown, cv2.resize(result.probability, (640, 427)))
        difference = np.abs(pixels(source).astype(int) - expected)
        assert difference.mean() < 6  # JPEG


def test_a_large_picture_is_shown_small_and_its_mask_is_not(answer):
    image, content = noise_picture(1, 300, 300)
    html, _ = Answerer(answer.inferencer, 2**22)(data_url(content), 'red')
    assert masks_in(html)[0].shape == (300, 300)
    assert fit_to_page(np.zeros((4096, 2048, 3), np.uint8)).shape == (1024, 512, 3)
    assert fit_to_page(np.zeros((700, 512, 3), np.uint8)).shape == (700, 512, 3)


GOOD = data_url(noise_picture(0)[1])


@pytest.mark.parametrize(
    ('picture', 'text', 'message'),
    [
        ('', 'red', 'Choose an image first'),
        (None, 'red', 'Choose an image first'),
        (GOOD, '', 'Type what to look for'),
        (GOOD, None, 'Type what to look for'),
        (GOOD, ' \n\t\n', 'Type what to look for'),
        (GOOD, '\n'.join('abcdefgh'), 'At most 7 sentences at once; these are 8'),
        (GOOD, 'red ' * 200, 'more than 500 characters'),
        ('http://127.0.0.1/a.png', 'red', 'did not arrive'),
        ('/etc/passwd', 'red', 'did not arrive'),
        ('data:image/png;base64,%%%', 'red', 'did not arrive whole'),
        (data_url(b'no image'), 'red', 'The image is not an image that Pillow can read'),
        (data_url(b''), 'red', 'The image is an empty file'),
        (data_url(noise_picture(0)[1][:-500]), 'red', 'The image is damaged'),
        (data_url(bytes(2**20 + 10)), 'red', 'too large: at most 1 MB'),
    ],
)
def test_what_to_correct_is_said(answer, picture, text, message):
    html, heats = answer(picture, text)
    assert 'role="alert"' in html and message in html and heats == ''


def test_html_and_control_characters_are_neutralised(answer):
    sentence = '<img src=x onerror="alert(1)">&\x1b[31m\u202egreen'
    html, heats = answer(GOOD, sentence)
    escaped = '&lt;img src=x onerror=&quot;alert(1)&quot;&gt;&amp;\ufffd[31m\ufffdgreen'
    for text in (html, heats):
        assert escaped in text and '<img src=x' not in text
        assert '\x1b' not in text and '\u202e' not in text
    assert '<script>' not in render_hint('<script>')


def test_a_failure_inside_is_logged_and_not_shown(inferencer, caplog):
    def fail(*args, **kwargs):
        raise RuntimeError('secret path /root')

    with caplog.at_level(logging.ERROR):
        html, _ = Answerer(fail, 2**20)(GOOD, 'red')
    assert 'could not answer' in html and 'secret' not in html
    assert 'secret path' in caplog.text


def test_sentences_are_lines():
    assert split_sentences(' a cup \r\n\n his hat\n') == ['a cup', 'his hat']
    with pytest.raises(DataError):
        split_sentences('\n')


def test_examples(inferencer, answer, tmp_path):
    scenes = make_examples(inferencer.cfg)
    assert len(scenes) == 4
    assert all(answer(**dict(picture=s['picture'], text=s['sentences']))[1] for s in scenes)
    assert not any(answer.inferencer.pipeline.notes(line)
                   for scene in scenes for line in scene['sentences'].splitlines())  # fmt: skip
    other = inferencer.cfg.copy()
    other.test_dataloader.dataset.dataset_name = 'refcoco'
    (photograph,) = make_examples(other)
    assert 'hat' in photograph['sentences'] and answer(photograph['picture'], 'hat')[1]
    (tmp_path / 'a.png').write_bytes(noise_picture(0)[1])
    (tmp_path / 'b.png').write_bytes(noise_picture(1)[1])
    (tmp_path / 'a.txt').write_text('one\ntwo\n')
    own = make_examples(inferencer.cfg, tmp_path)
    assert [example['sentences'] for example in own] == ['one\ntwo', '']
    assert own[0]['picture'] == GOOD
