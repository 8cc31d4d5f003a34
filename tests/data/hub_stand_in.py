# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The part of the Hugging Face hub that uploading and downloading a model asks, in memory."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import threading


class HubStandIn:
    """A server on this machine; ``files`` holds the repositories, ``requests`` what was asked.

    Files travel inside the commit (``uploadMode: regular``), large ones too.
    """

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.requests: list[tuple[str, str]] = []
        handler = type('Handler', (_Handler,), dict(hub=self))
        self._server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
        self.url = f'http://127.0.0.1:{self._server.server_port}'

    def __enter__(self) -> HubStandIn:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def revision(self, repository: str) -> str:
        """A commit's id that follows from the files."""
        tags = sorted((name, _tag(content)) for name, content in self.files[repository].items())
        return _tag(repr(tags).encode())


def _tag(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


class _Handler(http.server.BaseHTTPRequestHandler):
    hub: HubStandIn

    def log_message(self, *arguments: object) -> None:
        pass

    def do_POST(self) -> None:  # noqa: N802
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        self.hub.requests.append(('POST', self.path))
        if self.path == '/api/repos/create':
            asked = json.loads(body)
            name = f'{asked.get("organization") or "owner"}/{asked["name"]}'
            self.hub.files.setdefault(name, {})
            return self._json(dict(url=f'{self.hub.url}/{name}', name=name))
        repository = '/'.join(self.path.split('/')[3:5])
        if '/preupload/' in self.path:
            wanted = json.loads(body)['files']
            answer = [
                dict(path=f['path'], uploadMode='regular', shouldIgnore=False) for f in wanted
            ]
            return self._json(dict(files=answer))
        if '/commit/' in self.path:
            for line in map(json.loads, body.splitlines()):
                if line['key'] == 'file':
                    content = base64.b64decode(line['value']['content'])
                    self.hub.files[repository][line['value']['path']] = content
            revision = self.hub.revision(repository)
            url = f'{self.hub.url}/{repository}/commit/{revision}'
            return self._json(dict(commitUrl=url, commitOid=revision, hookOutput=''))
        return self._json({})

    def do_GET(self) -> None:  # noqa: N802
        self.hub.requests.append(('GET', self.path))
        path = self.path.partition('?')[0].split('/')
        repository = '/'.join(path[3:5] if path[1] == 'api' else path[1:3])
        files = self.hub.files.get(repository)
        if files is None:
            return self._json(dict(error='Not found'), 404, {'X-Error-Code': 'RepoNotFound'})
        revision = self.hub.revision(repository)
        if 'tree' in path:
            known = [
                dict(type='file', path=name, size=len(content), oid=_tag(content))
                for name, content in sorted(files.items())
            ]
            return self._json(known)
        if path[1] == 'api':
            siblings = [dict(rfilename=name) for name in sorted(files)]
            return self._json(dict(id=repository, sha=revision, siblings=siblings))
        content = files['/'.join(path[5:])]
        return self._answer(content, 200, {'X-Repo-Commit': revision, 'ETag': f'"{_tag(content)}"'})

    do_HEAD = do_GET  # noqa: N815

    def _json(self, value: object, status: int = 200, headers: dict | None = None) -> None:
        self._answer(json.dumps(value).encode(), status, headers or {})

    def _answer(self, content: bytes, status: int, headers: dict) -> None:
        self.send_response(status)
        for name, value in {**headers, 'Content-Length': len(content)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(content)
