# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Malicious checkpoints in every format of torch.load, through every path that loads one."""

from __future__ import annotations

import copyreg
import importlib.util
import json
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import mmseg
import pytest
import torch
from mmengine.model import BaseModule, initialize
from mmengine.runner import CheckpointLoader, load_checkpoint
from mmseg.apis import init_model
from transformers import BertConfig, BertModel

from magnet_mm.engine.checkpointing import safe_loading
from magnet_mm.engine.checkpointing.safe_loading import weights_only_loading
from magnet_mm.errors import CheckpointError, DataError
from magnet_mm.evaluation import read_items
from magnet_mm.models.text.pretrained_text import read_text_weights
from magnet_mm.released.published import read_published

REPOSITORY = Path(__file__).resolve().parents[3]
SWIN = dict(
    type='StagewiseSwin', embed_dims=16, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=5
)


def _malicious_pickles():
    path = REPOSITORY / 'tests/data/malicious_pickles.py'
    spec = importlib.util.spec_from_file_location('malicious_pickles', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MALICIOUS = _malicious_pickles()
PLAIN_TO_TORCH = ('memo index of 4 billion, LONG_BINPUT', 'protocol 9')


@pytest.fixture(scope='module', autouse=True)
def cached_extension():
    """An extension code that was used before in this process."""
    copyreg.add_extension('os', 'system', MALICIOUS.EXTENSION)
    pickle.loads(b'\x80\x02\x82' + bytes([MALICIOUS.EXTENSION]) + b'.')
    yield
    copyreg.remove_extension('os', 'system', MALICIOUS.EXTENSION)


@pytest.fixture(params=[False, True], ids=['torch as installed', 'torch below 2.6'])
def torch_version(request, monkeypatch):
    """The defaults of the installed torch, or the unsafe ones of torch 1.13 to 2.5."""
    if not request.param:
        return
    load = torch.load

    def old_load(f, map_location=None, pickle_module=None, *, weights_only=False, **options):
        if os.environ.get('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '0').lower() in (
            '1',
            'y',
            'yes',
            'true',
        ):
            weights_only = True
        if not weights_only:
            monkeypatch.delenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', raising=False)
        return load(f, map_location, pickle_module, weights_only=weights_only, **options)

    monkeypatch.setattr(torch, 'load', old_load)


@pytest.mark.parametrize('kind', list(MALICIOUS.FORMATS))
def test_every_payload_in_every_format(tmp_path, kind, torch_version):
    marker = tmp_path / 'ran'
    for name, stream in MALICIOUS.running(marker).items():
        path = tmp_path / 'bad.pth'
        path.write_bytes(MALICIOUS.FORMATS[kind](stream))
        with pytest.raises(CheckpointError, match='bad.pth'):
            CheckpointLoader.load_checkpoint(str(path))
        assert not marker.exists(), name


@pytest.mark.parametrize('kind', ['zip', 'legacy', 'bare'])
def test_the_files_are_dangerous(tmp_path, kind):
    marker = tmp_path / 'ran'
    for name, stream in MALICIOUS.running(marker).items():
        path = tmp_path / 'bad.pth'
        path.write_bytes(MALICIOUS.FORMATS[kind](stream))
        try:
            torch.load(path, weights_only=False)
        except Exception:
            pass  # after the payload ran: what is left is no checkpoint
        assert marker.exists() or name.startswith('EXT'), name
        marker.unlink(missing_ok=True)


@pytest.mark.parametrize('kind', list(MALICIOUS.FORMATS))
def test_bombs_and_strange_pickles_name_the_file(tmp_path, kind):
    for name, stream in MALICIOUS.bombs().items():
        path = tmp_path / 'bomb.pth'
        path.write_bytes(MALICIOUS.FORMATS[kind](stream))
        try:
            CheckpointLoader.load_checkpoint(str(path))
        except CheckpointError as error:
            assert 'bomb.pth' in str(error) and len(str(error)) < 1500, name
        else:  # plain values to torch's unpickler, whose memo is a dict; they are no weights
            assert name in (*MALICIOUS.PLAIN, *PLAIN_TO_TORCH), name


@pytest.fixture(params=list(MALICIOUS.FORMATS))
def malicious(request, tmp_path):
    """A malicious checkpoint; whatever loads it must leave no file `ran` behind."""
    path = tmp_path / 'bad.pth'
    stream = MALICIOUS.running(tmp_path / 'ran')['os.system, protocol 2']
    path.write_bytes(MALICIOUS.FORMATS[request.param](stream))
    yield path
    assert not (tmp_path / 'ran').exists()


class Pretrained(BaseModule):
    def __init__(self, checkpoint):
        super().__init__(init_cfg=dict(type='Pretrained', checkpoint=checkpoint))
        self.linear = torch.nn.Linear(2, 2)


def _swin(path):
    from mmseg.registry import MODELS

    MODELS.build({**SWIN, 'init_cfg': dict(type='Pretrained', checkpoint=path)}).init_weights()


LOADERS = {
    'CheckpointLoader': lambda path: CheckpointLoader.load_checkpoint(path, map_location='cpu'),
    'load_checkpoint': lambda path: load_checkpoint(torch.nn.Linear(2, 2), path),
    'init_cfg Pretrained': lambda path: Pretrained(path).init_weights(),
    'initialize': lambda path: initialize(
        torch.nn.Linear(2, 2), dict(type='Pretrained', checkpoint=path)
    ),
    'init_cfg of Swin': _swin,
    'mmseg init_model': lambda path: init_model(
        str(REPOSITORY / 'configs/lavt_tiny_refshapes.py'), path, device='cpu'
    ),
    'converter': lambda path: read_published(path),
}


@pytest.mark.parametrize('loader', LOADERS)
def test_every_way_to_load(malicious, loader, torch_version):
    with pytest.raises(CheckpointError, match='bad.pth'):
        LOADERS[loader](str(malicious))


@pytest.mark.parametrize('how', ['resume', 'load_from', 'test'])
def test_every_way_of_the_runner(malicious, make_runner, how, torch_version):
    runner = make_runner('run', load_from=str(malicious), resume=how == 'resume')
    with pytest.raises(CheckpointError, match='bad.pth'):
        runner.test() if how == 'test' else runner.train()


def test_config_text_in_a_checkpoint_is_not_run(tmp_path, make_runner):
    runner = make_runner('first', epochs=1)
    runner.train()
    checkpoint = torch.load(tmp_path / 'first/epoch_1.pth', weights_only=True)
    checkpoint['meta']['config'] = f'open({str(tmp_path / "ran")!r}, "w").close()'
    torch.save(checkpoint, tmp_path / 'bad.pth')
    loaded = CheckpointLoader.load_checkpoint(str(tmp_path / 'bad.pth'))
    assert 'config' not in loaded['meta'] and loaded['meta']['epoch'] == 1
    make_runner('second', epochs=2, load_from=str(tmp_path / 'bad.pth'), resume=True).train()
    assert (tmp_path / 'second/epoch_2.pth').is_file()
    assert not (tmp_path / 'ran').exists()


def test_bert_weights(malicious, torch_version):
    config = BertConfig(
        vocab_size=10,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
    )
    directory = malicious.parent / 'bert'
    directory.mkdir()
    (directory / 'config.json').write_text(json.dumps({**config.to_dict(), 'model_type': 'bert'}))
    malicious.rename(directory / 'pytorch_model.bin')
    with pytest.raises(CheckpointError, match='bert'):
        read_text_weights(str(directory), BertModel, config)


def test_per_item_results_are_no_pickles(malicious):
    with pytest.raises(DataError, match='bad.pth: not UTF-8'):
        read_items(malicious)


def test_torchscript_is_refused(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / 'script.pth')
    with pytest.raises(CheckpointError, match='script.pth is a TorchScript archive'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'script.pth'))


def test_threads_do_not_switch_each_other_off(monkeypatch):
    monkeypatch.delenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', raising=False)
    inside, leave = threading.Event(), threading.Event()
    seen = []

    def first():
        with weights_only_loading():
            inside.set()
            leave.wait(10)
            seen.append(os.environ.get(safe_loading._FORCE_SAFE))

    def second():
        with weights_only_loading():
            seen.append(os.environ.get(safe_loading._FORCE_SAFE))

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()  # must wait, not leave the block and switch the first one's safety off
    threads[1].join(0.2)
    assert threads[1].is_alive()
    leave.set()
    for thread in threads:
        thread.join(10)
    assert seen == ['1', '1'] and safe_loading._FORCE_SAFE not in os.environ


@pytest.mark.slow
def test_mmseg_own_test_script(tmp_path):
    """mmseg's tools/test.py knows nothing of this package but `custom_imports` of the config."""
    path = tmp_path / 'bad.pth'
    stream = MALICIOUS.running(tmp_path / 'ran')['os.system, protocol 2']
    path.write_bytes(MALICIOUS.legacy_file(stream))
    config = tmp_path / 'config.py'
    # a data loader of numbers: only the checkpoint matters here
    config.write_text(
        f'_base_ = {str(REPOSITORY / "configs/lavt_tiny_refshapes.py")!r}\n'
        'test_dataloader = dict(_delete_=True, batch_size=1, num_workers=0, dataset=[],\n'
        "    sampler=dict(type='DefaultSampler', shuffle=False))\n"
    )
    done = subprocess.run(
        [sys.executable, Path(mmseg.__file__).parent / '.mim/tools/test.py', config, path]
        + ['--work-dir', tmp_path / 'work'],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(REPOSITORY), 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD': '1'},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode and 'CheckpointError' in done.stderr and 'bad.pth' in done.stderr
    assert not (tmp_path / 'ran').exists()
