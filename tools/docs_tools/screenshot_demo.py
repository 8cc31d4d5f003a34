# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Makes the picture of the demo page in the docs, ``docs/images/demo_page.png``.

It starts ``magnet-mm demo``, picks an example in a headless Chromium, and takes the picture::

    python tools/docs_tools/screenshot_demo.py --config magnet_tiny_refshapes \
        --weights work_dirs/demo/best_oIoU_epoch_5.pth
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM_OPTIONS = (
    '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run '
    '--disable-background-networking --disable-component-update --disable-sync'
).split()


@contextmanager
def demo_page(config: str, weights: str, timeout: float = 300) -> Iterator[str]:
    """Serve the page in a process of its own; yields its address."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    command = [sys.executable, '-m', 'magnet_mm.cli', 'demo', '--config', config]
    process = subprocess.Popen(
        [*command, '--weights', weights, '--port', str(port)],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    )
    url = f'http://127.0.0.1:{port}'
    try:
        deadline = time.monotonic() + timeout
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit('screenshot_demo: the page did not start; its message is above')
            time.sleep(0.3)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def take_picture(url: str, out_file: Path, example: int, chromium: str) -> None:
    """Pick an example, segment it, and write the window as PNG."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS)
        page = browser.new_page(viewport=dict(width=1280, height=800))
        page.set_default_timeout(600_000)
        page.goto(url)
        page.click(f'#picture [data-example="{example}"]')
        page.wait_for_function("document.querySelector('#sentences textarea').value.length > 3")
        page.click('#segment')
        page.wait_for_selector('#masks .row')
        page.mouse.move(0, 0)
        page.wait_for_timeout(1000)  # the last animations
        height = page.evaluate('document.querySelector("#masks").getBoundingClientRect().bottom')
        page.set_viewport_size(dict(width=1280, height=round(height) + 40))
        out_file.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=out_file)
        browser.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', default='magnet_tiny_refshapes')
    parser.add_argument('--weights', required=True, help='a trained checkpoint of the config')
    parser.add_argument('--example', type=int, default=1, help='which example (default 1)')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs/images/demo_page.png')
    parser.add_argument('--chromium', default='/usr/bin/chromium')
    args = parser.parse_args(arguments)
    if not Path(args.chromium).is_file():
        parser.error(f'there is no {args.chromium}: apt-get install chromium, or give --chromium')
    with demo_page(args.config, args.weights) as url:
        take_picture(url, args.out, args.example, args.chromium)
    print(args.out)


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        return opener.open(url, timeout=10).status == 200
    except (urllib.error.URLError, OSError):
        return False


if __name__ == '__main__':
    main()
