# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Downloads from a server of our own: whole, resumed, gone, and what is not the file."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import downloads_of_data as downloads
import pytest

from magnet_mm.cli import main
from magnet_mm.data_tools.preparing.downloading import download, read_list
from magnet_mm.errors import ConfigError, DataError


class Server:
    """Serves `files`; `ranges` lists what was asked for, `cut` ends an answer early."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.ranges: list[str | None] = []
        self.cut: int | None = None
        self.knows_ranges = True
        self.url = ''


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get('Range')
            state.ranges.append(asked)
            data = state.files.get(self.path.lstrip('/'))
            if data is None:
                self.send_error(404)
                return
            start = int(asked[6:-1]) if asked and state.knows_ranges else 0
            if start >= len(data):
                self.send_response(416)
                self.send_header('Content-Range', f'bytes */{len(data)}')
                self.send_header('Content-Length', '0')
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            self.send_header('Content-Length', str(len(data) - start))
            self.end_headers()
            self.wfile.write(data[start:][: state.cut])

        def log_message(self, *_: object) -> None:
            pass

    running = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    state.url = f'http://127.0.0.1:{running.server_port}'
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield state
    running.shutdown()
    running.server_close()
    thread.join()


def entry(server: Server, data: bytes | None = None, **more) -> dict[str, dict]:
    known = None if data is None else hashlib.sha256(data).hexdigest()
    fields = dict(name='thing', file='thing.bin', urls=[f'{server.url}/thing.bin'], licence='none')
    return dict(thing={**fields, 'sha256': known, **more})


def test_a_file_is_fetched_once_with_progress(server, tmp_path):
    data = server.files['thing.bin'] = bytes(range(256)) * 10_000
    seen: list[tuple] = []
    (path,) = download(['thing'], tmp_path, entry(server, data), lambda *one: seen.append(one))
    assert path == tmp_path / 'thing.bin' and path.read_bytes() == data
    assert seen[-1] == ('thing.bin', len(data), len(data)) and len(seen) >= 2
    download(['thing'], tmp_path, entry(server, data))
    assert server.ranges == [None]


def test_it_goes_on_where_it_broke_off(server, tmp_path):
    data = server.files['thing.bin'] = bytes(range(256)) * 100
    server.cut = 10_000
    with pytest.raises(DataError, match='could not be fetched') as error:
        download(['thing'], tmp_path, entry(server, data))
    assert 'thing.bin' in str(error.value)
    assert (tmp_path / 'thing.bin.part').stat().st_size == 10_000
    assert not (tmp_path / 'thing.bin').exists()
    server.cut = None
    (path,) = download(['thing'], tmp_path, entry(server, data))
    assert path.read_bytes() == data and server.ranges == [None, 'bytes=10000-']
    assert [one.name for one in tmp_path.iterdir()] == ['thing.bin']


@pytest.mark.parametrize('knows_ranges', [True, False])
def test_a_whole_part_and_a_host_without_ranges(server, tmp_path, knows_ranges):
    data = server.files['thing.bin'] = b'0123456789'
    server.knows_ranges = knows_ranges
    (tmp_path / 'thing.bin.part').write_bytes(data)
    (path,) = download(['thing'], tmp_path, entry(server, data))
    assert path.read_bytes() == data


def test_the_next_host_is_tried_and_gone_hosts_are_named(server, tmp_path):
    server.files['there.bin'] = b'data'
    gone = [f'{server.url}/gone.bin', 'http://127.0.0.1:9/x']
    urls = [*gone, f'{server.url}/there.bin']
    (path,) = download(['thing'], tmp_path / 'a', entry(server, urls=urls))
    assert path.read_bytes() == b'data'
    with pytest.raises(DataError, match='HTTP 404 .*127.0.0.1:9/x .*host is gone'):
        download(['thing'], tmp_path / 'b', entry(server, urls=gone))


def test_another_file_is_not_taken(server, tmp_path):
    server.files['thing.bin'] = b'<html>The page has moved'
    with pytest.raises(DataError, match='SHA-256 is not the one'):
        download(['thing'], tmp_path, entry(server, b'the file'))
    with pytest.raises(DataError, match='a web page'):
        download(['thing'], tmp_path, entry(server, file='thing.zip'))
    assert not list(tmp_path.glob('thing.???'))


def test_the_list_of_the_package():
    entries = read_list()
    assert {'refcoco', 'refcoco+', 'refcocog', 'refclef', 'coco-annotations'} == set(entries)
    with pytest.raises(ConfigError, match='not in the list'):
        download(['imagenet'], 'nowhere', entries)


@pytest.mark.parametrize(
    'change',
    [dict(file='../up.zip'), dict(urls=['file:///etc/passwd']), dict(licence=None, urls=3)],
)
def test_a_list_that_is_not_usable(tmp_path, change):
    good = dict(name='a', file='a.zip', urls=['http://a'], licence='x', sha256=None)
    path = tmp_path / 'list.json'
    path.write_text(json.dumps([good | change]))
    with pytest.raises(ConfigError, match='list.json'):
        read_list(path)


def test_the_command_downloads_only_if_asked(server, tmp_path, capsys):
    source = downloads.refer_zip(tmp_path)
    server.files['refcoco.zip'] = source.read_bytes()
    listed = tmp_path / 'list.json'
    one = entry(server, name='refcoco', file='refcoco.zip', urls=[f'{server.url}/refcoco.zip'])
    listed.write_text(json.dumps([one['thing']]))
    out = tmp_path / 'out'
    arguments = ['prepare-data', '--download', 'refcoco', '--download-list', str(listed)]
    assert main([*arguments, '--out', str(out)]) == 0
    assert (out / 'refcoco/refs(unc).p').is_file() and 'licence: none' in capsys.readouterr().out
    assert main(['prepare-data', '--out', str(out)]) == 1
    assert 'Give a SOURCE' in capsys.readouterr().err
    assert Path(out / 'downloads/refcoco.zip').is_file()
