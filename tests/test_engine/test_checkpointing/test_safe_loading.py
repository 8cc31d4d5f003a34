# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""No checkpoint can run code, through whatever scheme it is loaded."""

import argparse
import os
import pathlib

import pytest
import torch
from mmengine.runner import CheckpointLoader

import magnet_mm.engine  # noqa: F401  makes the loaders safe
from magnet_mm.engine.checkpointing.safe_loading import make_safe, weights_only_loading
from magnet_mm.errors import CheckpointError


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, target):
        self.target = str(target)

    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path(self.target),)


@pytest.fixture
def malicious(tmp_path):
    torch.save(dict(state_dict={}, extra=Malicious(tmp_path / 'ran')), tmp_path / 'bad.pth')
    return tmp_path / 'bad.pth'


def assert_refused(load, malicious):
    with pytest.raises(CheckpointError, match='could run code') as error:
        load()
    assert 'state_dict' in str(error.value) and 'bad.pth' in str(error.value)
    assert not (malicious.parent / 'ran').exists()


def test_the_file_is_dangerous(malicious):
    torch.load(malicious, weights_only=False)
    assert (malicious.parent / 'ran').exists()


@pytest.mark.parametrize('switch', [None, '1'])
def test_local_file_is_refused(malicious, monkeypatch, switch):
    if switch:
        monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', switch)
    assert_refused(lambda: CheckpointLoader.load_checkpoint(str(malicious)), malicious)
    assert os.environ.get('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD') == switch
    assert 'TORCH_FORCE_WEIGHTS_ONLY_LOAD' not in os.environ


def test_downloaded_file_is_refused(malicious, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(malicious.parent))
    cache = malicious.parent / 'hub/checkpoints'
    cache.mkdir(parents=True)
    malicious.rename(cache / 'bad.pth')  # a download of before: no network is used
    url = 'https://example.org/bad.pth'
    assert_refused(lambda: CheckpointLoader.load_checkpoint(url), malicious)


def test_loader_that_falls_back_to_unsafe_loading_is_refused(malicious):
    def load_from_fork(filename, map_location=None):
        try:
            return torch.load(filename, map_location=map_location, weights_only=True)
        except Exception:
            return torch.load(filename, map_location=map_location, weights_only=False)

    assert_refused(lambda: make_safe(load_from_fork)(str(malicious)), malicious)


def test_every_scheme_is_safe():
    assert all(loader.reads_weights_only for loader in CheckpointLoader._schemes.values())


def test_published_files_with_a_namespace_load(tmp_path):
    published = dict(model=dict(w=torch.ones(2)), args=argparse.Namespace(lr=1.0))
    torch.save(published, tmp_path / 'p.pth')
    loaded = CheckpointLoader.load_checkpoint(str(tmp_path / 'p.pth'), map_location='cpu')
    assert loaded['args'].lr == 1.0
    assert loaded['model']['w'].tolist() == [1, 1]


@pytest.mark.parametrize('content', [b'', b'<html>Not found</html>', None])
def test_damaged_file_is_named(tmp_path, content):
    path = tmp_path / 'epoch_1.pth'
    torch.save(dict(weight=torch.zeros(1000)), path)
    path.write_bytes(path.read_bytes()[:-2000] if content is None else content)
    with pytest.raises(CheckpointError, match='epoch_1.pth'):
        CheckpointLoader.load_checkpoint(str(path))


@pytest.mark.parametrize('share', [0.02, 0.1, 0.3, 0.6, 0.9, 0.99])
def test_file_cut_anywhere_is_named(tmp_path, share):
    path = tmp_path / 'epoch_1.pth'
    torch.save({f'layer{index}': torch.zeros(1000) for index in range(20)}, path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match='epoch_1.pth'):
        CheckpointLoader.load_checkpoint(str(path))


def test_missing_file_is_still_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'none.pth'))


def test_environment_is_restored_after_an_error():
    with pytest.raises(KeyError), weights_only_loading():
        raise KeyError
    assert 'TORCH_FORCE_WEIGHTS_ONLY_LOAD' not in os.environ
