# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CLIP's ResNet with a spatial attention pool, stage by stage (CRIS; docs/methods/cris.md)."""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.models.pretrained_clip import load_clip_part

_BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


class ClipBottleneck(nn.Module):
    """1x1, 3x3, average pool where it strides, 1x1; each with batch norm, plus a shortcut.

    Args:
        in_channels: channels that come in.
        width: inner channels; four times as many go out.
        stride: 1 or 2, of the pools.
    """

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = 4 * width
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.pool = nn.AvgPool2d(stride)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample = None
        if stride > 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                OrderedDict(
                    {
                        'pool': nn.AvgPool2d(stride),
                        '0': nn.Conv2d(in_channels, out_channels, 1, bias=False),
                        '1': nn.BatchNorm2d(out_channels),
                    }
                )
            )

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` to ``[B, 4 width, H / stride, W / stride]``."""
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.pool(F.relu(self.bn2(self.conv2(out))))
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(self.bn3(self.conv3(out)) + shortcut)


class SpatialAttentionPool(nn.Module):
    """CLIP's attention pool that keeps the map: self-attention over all pixels, no mean token.

    The position embedding is CLIP's 7x7 table (row 0, the mean token's, is unused), resized
    bicubically to the map. A new 1x1 convolution of the input is added before the ReLU [C].

    Args:
        channels: of the map.
        out_channels: CLIP's embedding width ``E``.
        num_heads: attention heads.
        grid: side of the position table.
    """

    def __init__(self, channels: int, out_channels: int, num_heads: int, grid: int = 7) -> None:
        super().__init__()
        self.num_heads, self.grid = num_heads, grid
        self.positional_embedding = nn.Parameter(torch.randn(grid**2 + 1, channels) / channels**0.5)
        self.q_proj = nn.Linear(channels, channels)
        self.k_proj = nn.Linear(channels, channels)
        self.v_proj = nn.Linear(channels, channels)
        self.c_proj = nn.Linear(channels, out_channels)
        self.connect = nn.Sequential(
            nn.Conv2d(channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` to ``[B, E, H, W]``."""
        shape = x.shape[2:]
        table = self.positional_embedding[1:].unflatten(0, (self.grid, self.grid))
        position = F.interpolate(
            table.permute(2, 0, 1)[None], shape, mode='bicubic', align_corners=False
        )
        tokens = (x + position).flatten(2).transpose(1, 2)
        query, key, value = (
            project(tokens).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        attended = self.c_proj(attended).transpose(1, 2).unflatten(2, shape)
        return F.relu(attended + self.connect(x))


@MODELS.register_module()
class StagewiseClipResNet(BaseModule):
    """CLIP's modified ResNet: three stem convolutions, average pools, a spatial attention pool.

    The modules carry CLIP's names. The heads see the stages' maps, the last one through the
    attention pool.

    Args:
        depth: 50 or 101.
        embed_channels: CLIP's embedding width ``E``; 1024 for RN50, 512 for RN101.
        width: channels of the stem; 64.
        pretrained: file with a CLIP state dict, see :mod:`magnet_mm.models.pretrained_clip`; None
            starts from scratch.
        num_blocks: blocks per stage, for small models; None takes those of ``depth``.
    """

    stagewise = True

    def __init__(
        self,
        depth: int = 50,
        embed_channels: int = 1024,
        width: int = 64,
        pretrained: str | None = None,
        num_blocks: tuple[int, ...] | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.pretrained = pretrained
        half = width // 2
        self.conv1 = nn.Conv2d(3, half, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(half)
        self.conv2 = nn.Conv2d(half, half, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv3 = nn.Conv2d(half, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.pool = nn.AvgPool2d(2)
        channels = width
        for index, count in enumerate(num_blocks or _BLOCKS[depth]):
            inner, stride = width * 2**index, 1 if index == 0 else 2
            blocks = [ClipBottleneck(channels, inner, stride)]
            channels = 4 * inner
            blocks += [ClipBottleneck(channels, inner, 1) for _ in range(count - 1)]
            setattr(self, f'layer{index + 1}', nn.Sequential(*blocks))
        self.channels: tuple[int, ...] = tuple(4 * width * 2**index for index in range(4))
        self.output_channels: tuple[int, ...] = (*self.channels[:-1], embed_channels)
        self.attnpool = SpatialAttentionPool(channels, embed_channels, max(channels // 64, 1))

    def init_weights(self) -> None:
        """Load CLIP's image tower, if a file is named; ``attnpool.connect`` is new.

        Raises:
            CheckpointError: when the file lacks a tensor of the tower.
        """
        if self.pretrained is not None:
            load_clip_part(self, self.pretrained, 'visual.', new=('attnpool.connect.',))

    def embed(self, images: Tensor) -> Tensor:
        """``[B, 3, H, W]`` to the pooled stem ``[B, H/4, W/4, width]``."""
        x = F.relu(self.bn1(self.conv1(images)))
        x = F.relu(self.bn2(self.conv2(x)))
        return self.pool(F.relu(self.bn3(self.conv3(x)))).permute(0, 2, 3, 1)

    def stage(self, index: int, x: Tensor) -> Tensor:
        """One stage, ``[B, H, W, C]`` to ``[B, H_i, W_i, C_i]``."""
        stage = getattr(self, f'layer{index + 1}')
        return stage(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def downsample(self, index: int, v: Tensor) -> Tensor:
        """``V_i`` as it is: the next stage pools itself."""
        return v

    def output(self, index: int, v: Tensor) -> Tensor:
        """Give what the heads see of a stage, ``[B, H_i, W_i, C]``."""
        if index < len(self.channels) - 1:
            return v
        return self.attnpool(v.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
