# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""An answer is corrected by brush in a headless Chromium, and saved."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from page_client import noise_picture

from magnet_mm.cli import main
from magnet_mm.datasets.annotations.jsonl_annotations import read_jsonl
from magnet_mm.demo.collecting import Collection
from magnet_mm.demo.correcting import Corrector
from magnet_mm.demo.page import build_page, launch_page
from magnet_mm.evaluation import decode_mask

pytestmark = pytest.mark.slow
MASK = np.zeros((60, 90), bool)
MASK[10:30, 20:50] = True


@pytest.fixture
def page(browser, tmp_path):
    """The page with its third tab, and the addresses that it was refused."""
    collection = Collection(tmp_path / 'own')

    def infer(image, sentence):
        return [SimpleNamespace(mask=MASK)]

    corrector = Corrector(infer, 2**20, collection)
    blocks = build_page(lambda *_: ('', ''), 'a model', [], 2**20, 3, corrector)
    _, url, _ = launch_page(
        blocks, 2**20, True, prevent_thread_lock=True, quiet=True, server_name='127.0.0.1'
    )
    page = browser.new_page()
    page.set_viewport_size(dict(width=1280, height=1400))  # nothing scrolls under the brush
    page.collection = collection
    page.refused = []
    page.on('response', lambda got: got.status >= 400 and page.refused.append(got.url))
    page.goto(url)
    page.wait_for_selector('#picture .drop')
    yield page
    page.close()
    blocks.close()


def saved(page, wanted):
    """Save until the editor has sent what is on it: it does so a moment later."""
    for _ in range(60):
        before = page.inner_text('#correction')
        page.click('#save-correction')
        page.wait_for_function(
            'before => document.querySelector("#correction").innerText !== before', arg=before
        )
        page.wait_for_selector('#correction :text-matches("Saved: line|Nothing is painted")')
        if page.collection.lines.exists():
            mask = decode_mask(read_jsonl(str(page.collection.lines))[-1]['segmentation']) > 0
            if wanted(mask):
                return mask
        page.wait_for_timeout(500)
    raise AssertionError('the editor did not send what was painted')


def test_paint_and_save(page, capsys):
    content = noise_picture(0)[1]
    file = dict(name='my desk.png', mimeType='image/png', buffer=content)
    page.set_input_files('#picture input', file)
    page.wait_for_selector('#picture img.chosen')
    page.fill('#sentences textarea', 'the red circle')
    page.get_by_role('tab', name='Correct').click()
    page.click('#start-correction')
    page.wait_for_selector('#correction :text("Paint what is missing")')
    page.wait_for_selector('#editor canvas')
    saved(page, lambda mask: np.array_equal(mask, MASK))  # nothing was painted yet

    box = page.locator('#editor canvas').first.bounding_box()
    y = box['y'] + box['height'] / 4  # the picture is the upper part of the canvas
    page.mouse.move(box['x'] + 0.5 * box['width'], y)
    page.mouse.down()
    page.mouse.move(box['x'] + 0.7 * box['width'], y, steps=20)
    page.mouse.up()
    corrected = saved(page, lambda mask: not np.array_equal(mask, MASK))
    assert corrected[MASK].all()  # the stroke is added to what was there
    rows, columns = np.nonzero(corrected & ~MASK)
    assert rows.max() - rows.min() < 12 and columns.max() - columns.min() > 5
    assert (page.collection.folder / 'images/my_desk.png').read_bytes() == content
    assert read_jsonl(str(page.collection.lines))[-1]['sentences'][0]['raw'] == 'the red circle'
    assert main(['check-data', str(page.collection.folder), '--images']) == 0
    assert 'OK: 0 errors' in capsys.readouterr().out
    assert page.refused == []
