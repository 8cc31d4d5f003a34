# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Small trained-looking models of every method, as a config and a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
# One config per method: a new method is exported and tested as soon as its small config is there.
METHODS = sorted(path.name.split('_tiny_')[0] for path in CONFIGS.glob('*_tiny_refshapes.py'))


@pytest.fixture(params=METHODS)
def method(request) -> str:
    """Name of a method, as in ``configs/<method>_tiny_refshapes.py``."""
    return request.param


# Writing ONNX takes a minute and more for each of the others.
@pytest.fixture(
    params=[
        one if one == 'lavt' else pytest.param(one, marks=pytest.mark.faults) for one in METHODS
    ]
)
def onnx_method(request) -> str:
    """Like ``method``; all but LAVT in ``make test-faults``."""
    return request.param


@pytest.fixture
def small_config() -> Callable[..., Config]:
    """Call it with a method for its small config, at 64x64 pixels, on a ResNet or a Swin.

    Repeated parts are left out: writing ONNX takes time for every operation.
    """

    def load(method: str, swin: bool = False) -> Config:
        config = Config.fromfile(str(CONFIGS / f'{method}_tiny_refshapes.py'))
        if 'pool_sizes' in (config.model.backbone.get('fusion') or {}):
            config.model.backbone.fusion.pool_sizes = (2, 3)  # the last maps are 2x2: both kinds
        if 'decoder_layers' in config.model.decode_head:
            config.model.decode_head.decoder_layers = 1
        grid = config.model.decode_head.get('grid')
        if isinstance(grid, list | tuple):  # weights for every cell
            whole = config.model.data_preprocessor.size[0]
            config.model.decode_head.grid = tuple(side * 64 // whole for side in grid)
        config.model.data_preprocessor.size = (64, 64)
        for step in config.test_dataloader.dataset.pipeline:
            if step['type'] == 'Resize':
                step['scale'] = (64, 64)
            if step['type'] == 'Letterbox':
                step['size'] = (64, 64)
        if swin and config.model.backbone.visual.type == 'StagewiseResNet':
            config.model.backbone.visual = dict(
                type='StagewiseSwin',
                embed_dims=24,
                depths=[2, 2, 2, 2],  # the second block of a pair shifts its windows
                num_heads=[1, 2, 2, 2],
                window_size=3,  # does not divide the maps: they are padded, too
            )
        return config

    return load


@pytest.fixture
def save_checkpoint(tmp_path, build_model) -> Callable[[Config], Path]:
    """Call it with a config for a checkpoint with random weights, none of them zero."""

    def save(config: Config) -> Path:
        model = build_model(config.model)
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for value in model.parameters():
                value.add_(0.02 * torch.randn(value.shape, generator=generator))
            for name, value in model.named_buffers():
                if name.endswith('running_var'):
                    value.uniform_(0.5, 1.5, generator=generator)
        path = tmp_path / 'weights.pth'
        torch.save(dict(state_dict=model.state_dict(), meta={}), path)
        return path

    return save
