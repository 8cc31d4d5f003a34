# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Many requests at once: none lost, none mixed up, a refusal past the queue, no file left."""

import itertools
import json
import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from page_client import ask_all, data_url, httpx, masks_in, noise_picture
from PIL import Image

from magnet_mm.demo.page import build_page, launch_page

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow

SENTENCES = ['the red circle', 'left square', 'the small green thing', 'yellow', 'a cross above']


@pytest.mark.faults
def test_200_concurrent_requests(server, inferencer):
    before = server.files()
    pictures = [noise_picture(seed) for seed in range(8)]
    pairs = list(itertools.product(range(8), SENTENCES))
    expected = {
        pair: inferencer(pictures[pair[0]][0], pair[1])[0]
        for pair in pairs
    }  # fmt: skip
    different = {result.mask.tobytes() for result in expected.values()}
    assert len(different) > 30  # mixing up two answers would be seen
    asked = pairs * 5
    assert len(asked) == 200
    urls = [data_url(content) for _, content in pictures]
    answers = ask_all(server.url, [(urls[number], sentence) for number, sentence in asked])
    assert [status for status, _ in answers] == [200] * 200
    for pair, (_, (html, _)) in zip(asked, answers, strict=True):
        np.testing.assert_array_equal(masks_in(html)[0], expected[pair].mask)
        assert pair[1] in html and f'score {expected[pair].score:.3f}' in html
    assert server.files() == before


def test_files_and_large_bodies_are_refused(server):
    before = server.files()
    upload = dict(files=('a.png', noise_picture(0)[1], 'image/png'))
    with httpx.Client(trust_env=False, timeout=300) as client:
        for path in ('/gradio_api/upload', '/gradio_api/upload?upload_id=a', '/upload'):
            assert client.post(server.url + path, files=upload).status_code == 404
        large = dict(data=['x' * 2**21, 'red'])
        response = client.post(f'{server.url}/gradio_api/call/segment', json=large)
        assert response.status_code == 413 and 'too large' in response.text
        endless = (b'x' * 2**16 for _ in range(1000))
        try:
            status = client.post(
                f'{server.url}/gradio_api/call/segment', content=endless
            ).status_code
        except httpx.TransportError:
            status = 'cut off'
        assert status in (413, 'cut off')
    assert server.files() == before
    answers = ask_all(server.url, [(data_url(noise_picture(0)[1]), 'red')])
    assert answers[0][0] == 200  # and it goes on serving


@pytest.fixture
def blocked_page():
    """A page whose answers wait until they are let go."""
    let_go, started = threading.Event(), threading.Event()

    def answer(picture, text):
        started.set()
        assert let_go.wait(600)
        return f'<p>{text}</p>', ''

    page = build_page(answer, 'a model', [], max_bytes=2**20, max_queue=3)
    _, url, _ = launch_page(
        page, 2**20, prevent_thread_lock=True, quiet=True, server_name='127.0.0.1'
    )
    yield url.rstrip('/'), started, let_go
    let_go.set()
    page.close()


def test_a_full_queue_refuses_politely(blocked_page, browser):
    url, started, let_go = blocked_page
    accepted, threads = {}, []

    def ask_one(number):
        accepted[number] = ask_all(url, [('', f'sentence {number}')])[0]

    def waiting():
        status = httpx.get(f'{url}/gradio_api/queue/status', trust_env=False, timeout=60)
        return status.json()['queue_size']

    for number in range(4):  # one is answered, three wait
        threads.append(threading.Thread(target=ask_one, args=(number,)))
        threads[-1].start()
        assert started.wait(300)
        while waiting() < number:
            time.sleep(0.05)
    refused = ask_all(url, [('', 'one too many')] * 5)
    assert [status for status, _ in refused] == [503] * 5

    page = browser.new_page()
    page.goto(url)
    page.click('#segment')
    page.wait_for_selector('text=This application is currently busy. Please try again.')
    page.close()

    let_go.set()
    for thread in threads:
        thread.join(300)
    assert accepted == {
        number: (200, [f'<p>sentence {number}</p>', '']) for number in range(4)
    }  # none of the accepted was lost


def test_the_program_of_the_docs(server, tmp_path, monkeypatch, capsys):
    """The program of docs/demo_page.md gets the answer that the page shows."""
    (program,) = re.findall(
        r'```python\n(.*?)```', (ROOT / 'docs/demo_page.md').read_text(), re.DOTALL
    )
    assert 'http://127.0.0.1:7860/' in program
    monkeypatch.chdir(tmp_path)
    Image.fromarray(noise_picture(0)[0]).save('photo.jpg')
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    exec(program.replace('http://127.0.0.1:7860', server.url), {})
    printed = capsys.readouterr().out
    (line,) = [line for line in printed.splitlines() if line.startswith('data: [')]
    html, _ = json.loads(line.removeprefix('data: '))
    assert 'the hat' in html and 'the flag' in html and len(masks_in(html)) == 2
