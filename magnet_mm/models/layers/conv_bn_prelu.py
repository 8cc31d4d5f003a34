# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""EFN's unit: convolution, batch norm, PReLU (docs/methods/efn.md)."""

from __future__ import annotations

from torch import nn


def conv_bn_prelu(in_channels: int, out_channels: int) -> nn.Sequential:
    """3x3 convolution without bias, batch norm, PReLU with one shared slope that starts at 0.25.

    torch's own initialisation, as EFN has it [C]. ``[B, in_channels, H, W]`` to
    ``[B, out_channels, H, W]``.
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.PReLU(),
    )
