# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The middleware, driven as a server would."""

import asyncio

import pytest

from magnet_mm.demo.request_limits import RequestLimits


async def echo(scope, receive, send):
    """Reads the body, then answers with its length; as starlette, fails at a disconnect."""
    size, more = 0, True
    while more:
        message = await receive()
        if message['type'] == 'http.disconnect':
            raise ConnectionError
        size += len(message['body'])
        more = message['more_body']
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': str(size).encode()})


def call(path, chunks, length=None):
    headers = [(b'content-length', str(length).encode())] if length is not None else []
    messages = [
        {'type': 'http.request', 'body': chunk, 'more_body': number < len(chunks) - 1}
        for number, chunk in enumerate(chunks)
    ]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    scope = dict(type='http', path=path, headers=headers)
    asyncio.run(RequestLimits(echo, max_bytes=100)(scope, receive, send))
    return [message.get('status', message.get('body')) for message in sent], messages


def test_small_bodies_pass():
    assert call('/gradio_api/queue/join', [b'x' * 100], 100) == ([200, b'100'], [])
    assert call('/', [b'']) == ([200, b'0'], [])


@pytest.mark.parametrize('length', [101, 'many', -1])
def test_large_and_odd_lengths_are_refused_unread(length):
    (status, text), unread = call('/gradio_api/queue/join', [b'x'], length)
    assert status == 413 and b'too large' in text and len(unread) == 1


@pytest.mark.parametrize('length', [None, 10])
def test_a_body_that_grows_is_cut_off(length):
    sent, unread = call('/gradio_api/queue/join', [b'x' * 60] * 5, length)
    assert sent[0] == 413 and len(sent) == 2 and len(unread) == 3


@pytest.mark.parametrize('path', ['/upload', '/gradio_api/upload', '/any/root/gradio_api/upload/'])
def test_gradios_upload_is_closed(path):
    (status, _), unread = call(path, [b'x'], 1)
    assert status == 404 and len(unread) == 1


def test_the_editor_uploads():
    limits = RequestLimits(echo, 1, files=True)
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {'type': 'http.request', 'body': b'x', 'more_body': False}

    asyncio.run(limits(dict(type='http', path='/gradio_api/upload', headers=[]), receive, send))
    assert [message.get('status') for message in sent] == [200, None]


def test_errors_of_the_application_pass():
    async def fail(scope, receive, send):
        raise KeyError('a bug')

    with pytest.raises(KeyError):
        asyncio.run(RequestLimits(fail, 1)(dict(type='http', path='/', headers=[]), None, None))


def test_other_protocols_pass():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope['type'])

    asyncio.run(RequestLimits(app, 1)({'type': 'lifespan'}, None, None))
    assert seen == ['lifespan']
