# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Pages that are taken from the system again and again, in processes of their own."""

import os
import platform
import subprocess
import sys

import pytest

from magnet_mm.engine.run_setup import host_memory

# Pages the system hands out while a tensor of 64 MB is made and freed ten times.
_COUNT = """
import importlib.util, resource, torch
spec = importlib.util.spec_from_file_location('host_memory', {file!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
keep_freed_memory = module.keep_freed_memory
kept = {call}
for _ in range(3):
    torch.zeros(2**24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.zeros(2**24)
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages(call: str, **variables: str) -> tuple[str, int]:
    """What ``call`` returned in a new process, and the pages handed out after it."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith('MALLOC_')} | variables
    printed = subprocess.run(
        [sys.executable, '-c', _COUNT.format(call=call, file=host_memory.__file__)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    return printed[0], int(printed[1])


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='the C library is not glibc')
def test_freed_memory_is_used_again():
    kept, few = pages('keep_freed_memory()')
    _, many = pages('None')
    assert kept == 'True'
    assert few < 20  # of 10 * 64 MB
    assert many > 10 * few + 300  # 640 MB are 320 pages even where all of them are huge


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='the C library is not glibc')
def test_variables_of_the_user_win():
    kept, many = pages('keep_freed_memory()', MALLOC_TRIM_THRESHOLD_='131072')
    assert kept == 'False'
    assert many > 300


def test_nothing_is_changed_beside_an_accelerator_or_without_glibc(monkeypatch):
    def refuse(_name):
        raise AssertionError('the C library was opened')

    monkeypatch.setattr(host_memory.ctypes, 'CDLL', refuse)
    monkeypatch.setattr(host_memory, 'get_device', lambda: 'cuda')
    assert not host_memory.keep_freed_memory()
    monkeypatch.setattr(host_memory, 'get_device', lambda: 'cpu')
    monkeypatch.setattr(host_memory.platform, 'libc_ver', lambda: ('', ''))
    assert not host_memory.keep_freed_memory()
