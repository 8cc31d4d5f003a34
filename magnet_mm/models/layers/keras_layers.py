# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Layers with the initial values of Keras, for networks that were published in it."""

from __future__ import annotations

from mmcv.cnn import ConvModule
from torch import nn


def dense(in_channels: int, channels: int) -> nn.Linear:
    """Linear layer; Glorot uniform, bias 0 [C VLT]."""
    layer = nn.Linear(in_channels, channels)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def relu_dense(in_channels: int, channels: int) -> nn.Sequential:
    """Linear layer and ReLU; Glorot uniform, bias 0 [C VLT]."""
    return nn.Sequential(dense(in_channels, channels), nn.ReLU())


def convolution(in_channels: int, channels: int, size: int, norm_cfg: dict) -> ConvModule:
    """Convolution without bias, norm, LeakyReLU 0.1; Glorot uniform [C VLT].

    Args:
        in_channels: of the input.
        channels: of the output.
        size: side of the kernel, odd; the map keeps its size.
        norm_cfg: of the norm.
    """
    module = ConvModule(
        in_channels,
        channels,
        size,
        padding=size // 2,
        norm_cfg=norm_cfg,
        act_cfg=dict(type='LeakyReLU', negative_slope=0.1),
    )
    nn.init.xavier_uniform_(module.conv.weight)
    return module


def plain_convolution(in_channels: int, channels: int, size: int) -> nn.Conv2d:
    """Convolution with bias and nothing behind it; Glorot uniform, bias 0 [C VLT]."""
    layer = nn.Conv2d(in_channels, channels, size, padding=size // 2)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
