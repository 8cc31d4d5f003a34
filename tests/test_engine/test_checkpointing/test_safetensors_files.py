# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Weights as safetensors, through mmengine's loader like any checkpoint."""

import pytest
import torch
from mmengine.runner import CheckpointLoader

from magnet_mm.engine.checkpointing.no_target_threshold import stored_threshold
from magnet_mm.engine.checkpointing.safetensors_files import write_safetensors
from magnet_mm.errors import CheckpointError

TENSOR = torch.tensor([[1.1, -2.5], [70000.0, 0.0]])


def load(path):
    return CheckpointLoader.load_checkpoint(str(path), map_location='cpu')


def test_loads_as_a_checkpoint(tmp_path):
    path = tmp_path / 'a.safetensors'
    state = dict(a=TENSOR, b=TENSOR, c=TENSOR.t(), n=torch.tensor(3))  # shared and turned memory
    write_safetensors(path, state, no_target_threshold=0.3)
    loaded = load(path)
    assert loaded['state_dict'].keys() == state.keys() and stored_threshold(loaded) == 0.3
    for key, value in state.items():
        assert torch.equal(loaded['state_dict'][key], value)
        assert loaded['state_dict'][key].dtype == value.dtype
    write_safetensors(path, state)
    assert stored_threshold(load(path)) is None


def test_half(tmp_path):
    path = tmp_path / 'a.safetensors'
    write_safetensors(path, dict(a=TENSOR[0], n=torch.tensor(3)), half=True)
    loaded = load(path)['state_dict']
    assert loaded['a'].dtype == torch.float16 and loaded['a'].tolist() == [1.099609375, -2.5]
    assert loaded['n'].dtype == torch.int64
    with pytest.raises(CheckpointError, match='b holds NaN or infinity in float16'):
        write_safetensors(path, dict(b=TENSOR), half=True)
    assert load(path)['state_dict'].keys() == {'a', 'n'}  # the file is as it was


def test_damaged(tmp_path):
    path = tmp_path / 'a.safetensors'
    write_safetensors(path, dict(a=TENSOR))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CheckpointError, match='a.safetensors is damaged or incomplete'):
        load(path)
