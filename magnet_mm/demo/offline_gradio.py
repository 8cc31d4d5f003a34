# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""gradio, kept from asking its makers or a proxy about this machine."""

from __future__ import annotations

import contextlib
import os
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec

from magnet_mm.errors import ConfigError

# before gradio is imported: it would tell its makers that it was
os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'

_EXCEPTIONS = ('NO_PROXY', 'no_proxy')
_LOCAL = ('localhost', '127.0.0.1', '0.0.0.0', '::1')


@contextlib.contextmanager
def no_proxy_for_localhost(share: bool = False) -> Iterator[None]:
    """Let requests inside the block reach this machine, whatever proxy the environment names.

    gradio asks its own server whether it runs, through ``HTTP_PROXY`` or ``ALL_PROXY`` where they
    are set, and builds a client for a SOCKS proxy even if nobody uses it. Other code of the
    program keeps its proxies.

    Args:
        share: the block also asks gradio's servers; then the proxies stay for all other hosts.

    Raises:
        ConfigError: with ``share``, for a SOCKS proxy that httpx cannot use.
    """
    proxies = urllib.request.getproxies()
    if share and find_spec('socksio') is None:
        socks = [url for kind, url in proxies.items() if kind != 'no' and url.startswith('socks')]
        if socks:
            raise ConfigError(
                f'--share needs the internet, and the environment names the proxy {socks[0]}: '
                'pip install "httpx[socks]", or unset ALL_PROXY.'
            )
    before = {name: os.environ.get(name) for name in _EXCEPTIONS}
    known = [host for host in proxies.get('no', '').split(',') if host.strip()]
    hosts = ','.join([*known, *_LOCAL]) if share else '*'
    os.environ.update(dict.fromkeys(_EXCEPTIONS, hosts))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


with no_proxy_for_localhost():
    import gradio as gr

__all__ = ['gr', 'no_proxy_for_localhost']
