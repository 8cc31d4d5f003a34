# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The page starts, and is reached, whatever proxy the environment names."""

import os
import subprocess
import sys
import urllib.request

import pytest

pytest.importorskip('gradio')

from magnet_mm.demo.offline_gradio import no_proxy_for_localhost
from magnet_mm.demo.page import build_page, launch_page
from magnet_mm.errors import ConfigError

NOBODY = '127.0.0.1:9'  # the discard port: whoever asks there gets no answer
NAMES = ('HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY')
PROXIES = {
    'http': dict(HTTP_PROXY=f'http://{NOBODY}', HTTPS_PROXY=f'http://{NOBODY}'),
    'lower case': dict(http_proxy=f'http://{NOBODY}', all_proxy=f'http://{NOBODY}'),
    'socks': dict(ALL_PROXY=f'socks5://{NOBODY}'),
    'socks with exceptions': dict(ALL_PROXY=f'socks5h://{NOBODY}', NO_PROXY='example.org'),
}
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
PROGRAM = """
import os
from magnet_mm.demo.page import build_page, launch_page
page = build_page(lambda *_: ('', ''), 'a model', [], 2**20, 3)
launched = launch_page(page, 2**20, prevent_thread_lock=True, server_name='127.0.0.1')
print('NO_PROXY' in os.environ, launched[1])
page.close()
"""


@pytest.fixture
def environment(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)

    def change(values):
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return change


@pytest.mark.parametrize('proxies', PROXIES.values(), ids=PROXIES)
def test_truth_36_localhost_is_never_asked_through_a_proxy(proxies, environment):
    environment(proxies)
    before = {name: value for name, value in os.environ.items() if 'proxy' in name.lower()}
    page = build_page(lambda *_: ('', ''), 'a model', [], max_bytes=2**20, max_queue=3)
    _, url, share = launch_page(
        page, 2**20, prevent_thread_lock=True, quiet=True, server_name='127.0.0.1'
    )
    try:
        assert DIRECTLY.open(url, timeout=60).status == 200
        after = {name: value for name, value in os.environ.items() if 'proxy' in name.lower()}
        assert share is None and after == before  # other requests keep the proxy
    finally:
        page.close()


def test_truth_36_a_socks_proxy_from_the_very_start(environment):
    environment(dict(PROXIES['socks'], **PROXIES['http']))
    run = subprocess.run([sys.executable, '-c', PROGRAM], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    assert 'False http://127.0.0.1:' in run.stdout


def test_truth_36_sharing_keeps_the_proxy_for_the_rest_of_the_world(environment, monkeypatch):
    environment(dict(HTTP_PROXY=f'http://{NOBODY}', NO_PROXY='example.org'))
    with no_proxy_for_localhost(share=True):
        assert urllib.request.proxy_bypass('localhost')
        assert urllib.request.proxy_bypass('127.0.0.1')
        assert urllib.request.proxy_bypass('example.org')
        assert not urllib.request.proxy_bypass('gradio.app')
    environment(PROXIES['socks'])
    monkeypatch.setattr('magnet_mm.demo.offline_gradio.find_spec', lambda name: None)
    with (
        pytest.raises(ConfigError, match=r'socks5://127.0.0.1:9: pip install "httpx\[socks\]"'),
        no_proxy_for_localhost(share=True),
    ):
        pass
