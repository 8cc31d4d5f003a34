# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""An answer is corrected by brush in a headless Chromium, and saved."""

from __future__ import annotations

import numpy as np
import pytest
from page_client import noise_picture

from magnet_mm.cli import main
from magnet_mm.datasets.annotations.jsonl_annotations import read_jsonl
from magnet_mm.demo.answering import Answerer
from magnet_mm.demo.collecting import Collection
from magnet_mm.demo.correcting import Corrector
from magnet_mm.demo.page import build_page, launch_page
from magnet_mm.evaluation import decode_mask

pytestmark = pytest.mark.slow
SENTENCE = 'the red circle'


@pytest.fixture
def page(inferencer, browser, tmp_path):
    """The page with its third tab, and what it could not reach."""
    collection = Collection(tmp_path / 'own')
    corrector = Corrector(inferencer, 2**20, collection)
    blocks = build_page(Answerer(inferencer, 2**20), 'a model', [], 2**20, 3, corrector)
    _, url, _ = launch_page(
        blocks, 2**20, True, prevent_thread_lock=True, quiet=True, server_name='127.0.0.1'
    )
    page = browser.new_page()
    page.collection = collection
    page.refused = []
    page.on('response', lambda got: got.status >= 400 and page.refused.append(got.url))
    page.goto(url)
    page.wait_for_selector('#picture .drop')
    yield page
    page.close()
    blocks.close()


def saved(page, number):
    page.click('#save-correction')
    page.wait_for_selector(f'#correction :text("Saved: line {number} of")')
    return decode_mask(read_jsonl(str(page.collection.lines))[number - 1]['segmentation']) > 0


def test_paint_and_save(page, inferencer, capsys):
    image, content = noise_picture(0)
    file = dict(name='my desk.png', mimeType='image/png', buffer=content)
    page.set_input_files('#picture input', file)
    page.wait_for_selector('#picture img.chosen')
    page.fill('#sentences textarea', SENTENCE)
    page.get_by_role('tab', name='Correct').click()
    page.click('#start-correction')
    page.wait_for_selector('#correction :text("Paint what is missing")')
    page.wait_for_selector('#editor canvas')
    page.wait_for_timeout(2000)  # the canvas draws its layers after it is there
    (result,) = inferencer(image, SENTENCE)
    np.testing.assert_array_equal(saved(page, 1), result.mask)  # nothing was painted yet

    box = page.locator('#editor canvas').first.bounding_box()  # the picture is its upper part
    y = box['y'] + box['height'] / 4
    page.mouse.move(box['x'] + 0.4 * box['width'], y)
    page.mouse.down()
    page.mouse.move(box['x'] + 0.6 * box['width'], y, steps=20)
    page.mouse.up()
    page.wait_for_timeout(1000)
    corrected = saved(page, 2)
    assert (corrected & result.mask).sum() == result.mask.sum()  # the stroke is added
    added = corrected & ~result.mask
    print(added.sum(), np.argwhere(added).min(0), np.argwhere(added).max(0), result.mask.mean())
    assert 0 < added.sum() < 0.3 * added.size and added[27:33].any()
    assert (page.collection.folder / 'images/my_desk.png').read_bytes() == content
    assert main(['check-data', str(page.collection.folder), '--images']) == 0
    assert '2 images' not in capsys.readouterr().err
    assert page.refused == []
