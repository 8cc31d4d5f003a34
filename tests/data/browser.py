# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Chromium for the tests of the demo page and of the report."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

import pytest

CHROMIUM = 'chromium'
OPTIONS = (
    '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run '
    '--disable-background-networking --disable-component-update --disable-sync'
).split()


@contextlib.contextmanager
def launch(timeout: float = 60_000) -> Iterator:
    """A running headless Chromium of Playwright; ``timeout`` for its start, in milliseconds.

    Without one the test is skipped, and fails in CI, where nobody would read the skip.
    """
    problem = None
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        problem = 'playwright is missing: pip install -r requirements/tests.txt'
    executable = shutil.which(CHROMIUM)
    if executable is None:
        problem = f'{CHROMIUM} is missing: apt-get install chromium'
    if problem and os.environ.get('CI'):
        pytest.fail(problem)
    if problem:
        pytest.skip(problem)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=executable, args=OPTIONS, timeout=timeout
        )
        yield running
        running.close()
