# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What the server accepts: bodies up to a size, and files only where a tab edits pictures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

_TOO_LARGE = b'The request is too large for this server.'


class RequestLimits:
    """ASGI middleware: refuses large bodies (413) and gradio's upload of files (404).

    Pictures come as data URLs in the body of a request and stay in memory. gradio's own upload
    would leave a file on disk, so its address is closed, unless its image editor is on the page,
    which sends its layers that way.

    Args:
        app: The application.
        max_bytes: Largest body.
        files: Leave gradio's upload open.
    """

    def __init__(
        self, app: Callable[..., Awaitable[None]], max_bytes: int, files: bool = False
    ) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.files = files

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        """Hand the request on, or answer it with a refusal."""
        if scope['type'] != 'http':
            await self.app(scope, receive, send)
            return
        if not self.files and scope['path'].rstrip('/').endswith('/upload'):
            await _answer(send, 404, b'This server takes no files.')
            return
        length = dict(scope['headers']).get(b'content-length', b'0')
        if not length.isdigit() or int(length) > self.max_bytes:
            await _answer(send, 413, _TOO_LARGE)
            return
        await self._count(scope, receive, send)

    async def _count(self, scope: dict, receive: Callable, send: Callable) -> None:
        """Cut off a body without a length, or with a wrong one, where it exceeds the limit."""
        received, answered = 0, False

        async def receive_counted() -> dict[str, Any]:
            nonlocal received
            message = await receive()
            received += len(message.get('body', b''))
            return {'type': 'http.disconnect'} if received > self.max_bytes else message

        async def send_unless_exceeded(message: dict[str, Any]) -> None:
            nonlocal answered
            if answered or received <= self.max_bytes:
                answered = True
                await send(message)

        try:
            await self.app(scope, receive_counted, send_unless_exceeded)
        except Exception:
            if received <= self.max_bytes:
                raise
        if received > self.max_bytes and not answered:
            await _answer(send, 413, _TOO_LARGE)


async def _answer(send: Callable, status: int, text: bytes) -> None:
    headers = [(b'content-type', b'text/plain'), (b'connection', b'close')]
    await send({'type': 'http.response.start', 'status': status, 'headers': headers})
    await send({'type': 'http.response.body', 'body': text})
