# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""``tools/publish_model.py``: the same weights, nothing of the training, a name that is checked."""

import hashlib
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]


def test_publish(tmp_path, run_tool):
    state = dict(a=torch.arange(3.0), b=torch.tensor(2))
    checkpoint = dict(
        state_dict=state,
        optimizer=dict(state={0: torch.zeros(1000)}),
        message_hub=dict(runtime_info=dict(cfg="root='/home/me'")),
        meta=dict(epoch=3, cfg="root='/home/me'", no_target_threshold=0.3),
    )
    torch.save(checkpoint, tmp_path / 'epoch_3.pth')
    printed = run_tool(
        ROOT / 'tools/publish_model.py', tmp_path / 'epoch_3.pth', tmp_path / 'out/small.pth'
    )
    (published,) = (tmp_path / 'out').iterdir()
    digest = hashlib.sha256(published.read_bytes()).hexdigest()
    assert published.name == f'small-{digest[:8]}.pth'
    assert 'left out: message_hub, optimizer' in printed
    assert b'/home/me' not in published.read_bytes()
    loaded = torch.load(published, weights_only=True)
    assert loaded['meta'] == dict(epoch=3, no_target_threshold=0.3)
    assert all(torch.equal(loaded['state_dict'][key], value) for key, value in state.items())


def test_no_checkpoint(tmp_path, run_tool):
    torch.save(dict(a=torch.zeros(1)), tmp_path / 'bare.pth')
    try:
        run_tool(ROOT / 'tools/publish_model.py', tmp_path / 'bare.pth', tmp_path / 'x.pth')
    except AssertionError as error:
        assert 'has no state_dict' in str(error)
    assert [path.name for path in tmp_path.iterdir()] == ['bare.pth']
