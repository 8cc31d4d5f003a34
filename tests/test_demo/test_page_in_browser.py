# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The page in a headless Chromium: what people see is what the inferencer returns."""

import browser as chromium
import cv2
import mmcv
import numpy as np
import pytest
from page_client import noise_picture, pixels
from PIL import Image

from magnet_mm.demo.rendering import fit_to_page
from magnet_mm.visualization import overlay_sentences

pytestmark = pytest.mark.slow

SENTENCES = ['the red circle', 'left square']
# what the browser itself decoded and shows
SHOWN = """image => {
  const canvas = document.createElement('canvas');
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  canvas.getContext('2d').drawImage(image, 0, 0);
  return canvas.toDataURL('image/png');
}"""


@pytest.fixture
def page(server, browser):
    page = browser.new_page()
    page.problems = []
    page.on('pageerror', lambda error: page.problems.append(str(error)))
    page.addresses = []
    page.on('request', lambda request: page.addresses.append(request.url))
    page.goto(server.url)
    page.wait_for_selector('#picture .drop')
    yield page
    assert page.problems == []
    page.close()


def choose(page, content, name='picture.png'):
    kind = 'image/png'
    page.set_input_files('#picture input', dict(name=name, mimeType=kind, buffer=content))
    page.wait_for_selector('#picture img.chosen')


def segment(page, text):
    page.fill('#sentences textarea', text)
    page.click('#segment')


def test_upload_type_click(page, inferencer, server, tmp_path):
    before = server.files()
    image, content = noise_picture(0)
    choose(page, content)
    segment(page, '\n'.join(SENTENCES))
    page.wait_for_selector('#masks .row')
    results = inferencer(image, SENTENCES)

    shown = [pixels(page.eval_on_selector(f'#masks .row:nth-child({number}) a img', SHOWN))
             for number in (1, 2)]  # fmt: skip
    for mask, result in zip(shown, results, strict=True):
        np.testing.assert_array_equal(mask[..., 0] > 0, result.mask)
    resized = [
        cv2.resize(result.mask.astype(np.uint8), (640, 427), interpolation=cv2.INTER_NEAREST_EXACT)
        for result in results
    ]
    expected = overlay_sentences(fit_to_page(mmcv.bgr2rgb(image)), resized)
    overlay = pixels(page.eval_on_selector('#masks img.whole', SHOWN))
    np.testing.assert_array_equal(overlay[..., :3], expected)
    for number, result in enumerate(results):
        row = page.inner_text(f'#masks .row:nth-child({number + 1})')
        assert result.expression in row and f'score {result.score:.3f}' in row

    with page.expect_download() as download:
        page.click('#masks .row:nth-child(1) a')
    download.value.save_as(tmp_path / 'mask.png')
    downloaded = np.asarray(Image.open(tmp_path / 'mask.png')) > 0
    np.testing.assert_array_equal(downloaded, results[0].mask)

    page.get_by_role('tab', name='Heat maps').click()
    assert page.locator('#heats figure img').count() == 2
    assert page.locator('#heats figcaption').all_inner_texts() == SENTENCES
    # another sentence about the same picture, without choosing it again
    page.get_by_role('tab', name='Masks').click()
    segment(page, SENTENCES[1])
    page.wait_for_selector('#masks .row:only-child')
    only = pixels(page.eval_on_selector('#masks .row a img', SHOWN))
    np.testing.assert_array_equal(only[..., 0] > 0, results[1].mask)

    others = [a for a in page.addresses if not a.startswith((server.url, 'data:', 'blob:'))]
    assert others == []  # no fonts, scripts or statistics from elsewhere
    assert server.files() == before  # nothing stays on disk


def test_example(page):
    page.click('#picture [data-example="1"]')
    page.wait_for_selector('#picture img.chosen')
    page.wait_for_function("document.querySelector('#sentences textarea').value.length > 3")
    page.click('#segment')
    page.wait_for_selector('#masks .row')
    page.click('#picture .remove')
    page.wait_for_selector('#picture .invitation')


def test_messages(page):
    def notice(text):
        page.wait_for_selector(f'#masks .notice:has-text("{text}")')

    segment(page, 'red')
    notice('Choose an image first')
    choose(page, noise_picture(0)[1])
    segment(page, '  ')
    notice('Type what to look for')
    page.set_input_files(
        '#picture input', dict(name='a.png', mimeType='image/png', buffer=b'not a picture')
    )
    segment(page, 'red')
    notice('The image is not an image that Pillow can read')
    large = noise_picture(0, 700, 700)[1]
    assert len(large) > 2**20
    page.set_input_files(
        '#picture input', dict(name='large.png', mimeType='image/png', buffer=large)
    )
    page.wait_for_selector('#picture .problem:has-text("large.png is larger than 1 MB")')
    segment(page, 'red')
    notice('Choose an image first')


def test_html_in_a_sentence_is_text(page):
    choose(page, noise_picture(0)[1])
    sentence = '<img src=x onerror="window.harmed=1"><b>red</b><script>window.harmed=1</script>'
    segment(page, sentence)
    page.wait_for_selector('#masks .row')
    assert page.locator('#masks .sentence').inner_text().startswith(sentence)
    assert page.locator('#masks .sentence b, #masks .sentence img').count() == 0
    page.get_by_role('tab', name='Heat maps').click()
    assert page.locator('#heats figcaption').inner_text() == sentence
    assert page.evaluate('window.harmed') is None


@pytest.mark.parametrize(('ci', 'outcome'), [('1', pytest.fail.Exception),
                                             ('', pytest.skip.Exception)])  # fmt: skip
def test_a_missing_chromium_fails_in_ci_and_is_skipped_elsewhere(ci, outcome, monkeypatch):
    monkeypatch.setattr(chromium, 'CHROMIUM', 'no-such-chromium')
    monkeypatch.setenv('CI', ci)
    with pytest.raises(outcome, match='apt-get install chromium'), chromium.launch():
        pass
