# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The demo page in a process of its own, and a headless Chromium."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from browser import launch

from magnet_mm.apis import ReferringSegInferencer

sys.path.insert(0, str(Path(__file__).parent))

import page_client  # noqa: E402

TIMEOUT = 300_000  # ms; a loaded machine is slow, not wrong
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='session')
def inferencer(random_weights) -> ReferringSegInferencer:
    return ReferringSegInferencer('magnet_tiny_refshapes', random_weights, device='cpu')


class Server:
    """``magnet-mm demo`` as users start it; everything it could write lies under ``folder``."""

    def __init__(self, weights: Path, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            port = free.getsockname()[1]
        self.url = f'http://127.0.0.1:{port}'
        self.folder = folder
        self.log = folder.parent / f'{folder.name}.log'
        private = dict(HOME=str(folder), TMPDIR=str(folder), OMP_NUM_THREADS='1')
        environment = {k: v for k, v in os.environ.items() if not k.startswith('GRADIO')}
        with open(self.log, 'w') as log:
            self.process = subprocess.Popen(
                [sys.executable, '-m', 'magnet_mm.cli', 'demo', '--config', 'magnet_tiny_refshapes']
                + ['--weights', str(weights), '--device', 'cpu', '--port', str(port)]
                + ['--max-upload-mb', '1'],
                stdout=log,
                stderr=log,
                cwd=folder,
                env={**environment, 'PYTHONPATH': str(ROOT), **private},
            )

    def wait(self) -> None:
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            try:
                page_client.httpx.get(self.url, trust_env=False, timeout=60)
                return
            except page_client.httpx.TransportError:
                time.sleep(0.2)
        raise AssertionError(self.log.read_text()[-3000:])

    def files(self) -> set[Path]:
        """Everything under the folder that is not a cache of code or fonts."""
        return {
            path
            for path in self.folder.rglob('*')
            if path.is_file() and not {'matplotlib', '__pycache__'} & set(path.parts)
        }


@pytest.fixture(scope='session')
def server(random_weights, tmp_path_factory):
    running = Server(random_weights, tmp_path_factory.mktemp('server'))
    try:
        running.wait()
        yield running
    finally:
        running.process.terminate()
        running.process.wait(30)


@pytest.fixture(scope='module')  # while it runs, no other test can start an event loop
def browser():
    with launch(TIMEOUT) as running:
        context = running.new_context()
        context.set_default_timeout(TIMEOUT)
        yield context
