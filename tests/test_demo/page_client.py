# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What the tests of the page share: pictures, requests. ``conftest.py`` finds it."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

httpx = pytest.importorskip('httpx')  # gradio brings it


def noise_picture(seed: int, height: int = 60, width: int = 90) -> tuple[np.ndarray, bytes]:
    """A picture as BGR array and as PNG file."""
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(image[:, :, ::-1]).save(buffer, 'PNG')
    return image, buffer.getvalue()


def data_url(content: bytes) -> str:
    return f'data:image/png;base64,{base64.b64encode(content).decode()}'


def pixels(url: str) -> np.ndarray:
    """The pixels of a data URL."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(',', 1)[1]))))


def masks_in(html: str) -> list[np.ndarray]:
    """The masks in an answer of the page, bool [H, W]."""
    return [pixels(url) > 0 for url in re.findall(r'<a download="[^"]+"[^>]* href="([^"]+)"', html)]


async def ask(client, url: str, picture: str, text: str) -> tuple[int, list[str] | None]:
    """One request through gradio's HTTP interface: the status, and the two HTML answers."""
    response = await client.post(f'{url}/gradio_api/call/segment', json=dict(data=[picture, text]))
    if response.status_code != 200:
        return response.status_code, None
    answer = f'{url}/gradio_api/call/segment/{response.json()["event_id"]}'
    async with client.stream('GET', answer) as stream:
        event = None
        async for line in stream.aiter_lines():
            if line.startswith('event: '):
                event = line.removeprefix('event: ')
            elif line.startswith('data: ') and event in ('complete', 'error'):
                assert event == 'complete', line
                return 200, json.loads(line.removeprefix('data: '))
    raise AssertionError('the answer was lost')


def ask_all(url: str, requests: list[tuple[str, str]]) -> list[tuple[int, list[str] | None]]:
    """All requests at once, in a thread of their own (Playwright runs a loop in this one)."""

    async def gather():
        # a connection each: the server closes one that is idle for 5 s, while a request reuses it
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        async with httpx.AsyncClient(timeout=900, limits=limits, trust_env=False) as client:
            return await asyncio.gather(*(ask(client, url, *request) for request in requests))

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, gather()).result()
