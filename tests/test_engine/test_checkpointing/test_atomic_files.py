# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A file is there complete, or the one before it is."""

import errno
import os
import resource
import subprocess

import pytest
from mmengine.fileio import get_file_backend

from magnet_mm.atomic_files import unfinished_files, write_atomically
from magnet_mm.engine.checkpointing.atomic_files import BACKEND
from magnet_mm.errors import CheckpointError

OLD, NEW = b'old' * 200_000, b'new' * 200_000


def test_the_new_content_replaces_the_old(tmp_path):
    path = tmp_path / 'folder/file'
    for content in (OLD, NEW, b''):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert [p.name for p in path.parent.iterdir()] == ['file']


def test_content_and_name_are_forced_to_disk_before_and_after_renaming(tmp_path, monkeypatch):
    calls = []
    for name in ('fsync', 'replace'):
        function = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, f=function, n=name: (calls.append(n), f(*a))[1])
    write_atomically(tmp_path / 'file', NEW)
    assert calls == ['fsync', 'replace', 'fsync']


@pytest.mark.parametrize('step', ['fsync', 'replace'])
def test_any_failing_step_keeps_the_old_file(tmp_path, monkeypatch, step):
    path = tmp_path / 'file'
    write_atomically(path, OLD)

    def fail(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match='No space left'):
        write_atomically(path, NEW)
    assert path.read_bytes() == OLD
    assert list(unfinished_files(tmp_path)) == []


@pytest.fixture
def small_folder(tmp_path):
    """A folder where 600 kB fit once but not twice: a small disk, or else a limit on file size."""
    folder = tmp_path / 'small'
    folder.mkdir()
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', str(folder)]
    mounted = subprocess.run(mount, capture_output=True).returncode == 0
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill():
        if not mounted:  # not root: no file may grow beyond 100 kB
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))

    yield folder, fill
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    if mounted:
        subprocess.run(['umount', str(folder)], check=True)


def test_full_disk_keeps_the_old_file(small_folder):
    folder, fill = small_folder
    backend = get_file_backend(backend_args=dict(backend=BACKEND))
    backend.put(OLD, folder / 'epoch_1.pth')
    fill()
    for path in (folder / 'epoch_1.pth', folder / 'epoch_2.pth'):
        with pytest.raises(CheckpointError, match=f'{path.name} .*could not be written.*--resume'):
            backend.put(NEW, path)
    assert [p.name for p in folder.iterdir()] == ['epoch_1.pth']
    assert (folder / 'epoch_1.pth').read_bytes() == OLD
