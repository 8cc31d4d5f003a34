# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Mask2Former's pixel decoder, with all levels inside the deformable encoder (MagNet) or fewer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmdet.models.layers import MSDeformAttnPixelDecoder
from mmengine.config import ConfigDict
from torch import Tensor, nn

from magnet_mm.models.layers import cache, cell_centres, deformable_attention, sine_position


class Levels(NamedTuple):
    """What the layers of the deformable encoder read.

    Attributes:
        tokens: ``[B, S, C]``, all levels one after the other, coarse to fine.
        position: their encoding, ``[S, C]``.
        grid: centres of the queries and sizes of the cells, of the attention's points.
        shapes: ``(h, w)`` of every level.
    """

    tokens: Tensor
    position: Tensor
    grid: tuple[Tensor, Tensor]
    shapes: list[tuple[int, int]]


class DeformablePixelDecoder(MSDeformAttnPixelDecoder):
    """mmdet's deformable pixel decoder over strides 4..32, with its own forward.

    In MagNet stride 4 takes part in the encoder, so there is no extra FPN level [C]; in ReLA three
    levels do, and stride 4 is added behind it as in an FPN [C]. The mask feature is a 1x1
    convolution on the stride-4 output. The parameters, their names and their initialisation
    are mmdet's. The forward is ours: sizes stay Python integers (mmdet turns them into tensors,
    which breaks ``torch.compile`` and ``torch.export``), and the attention falls back to torch
    where mmcv has no kernel.

    Args:
        in_channels: channels of ``F_1..F_4``, fine to coarse.
        channels: width, a multiple of 32; 256 [C].
        num_layers: deformable encoder layers; 4 [C].
        num_heads: attention heads; 8 [C].
        ffn_channels: FFN width; 1024 [C].
        encoder_levels: how many of the coarsest levels enter the encoder; None for all. The finer
            ones are joined by an FPN.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int = 256,
        num_layers: int = 4,
        num_heads: int = 8,
        ffn_channels: int = 1024,
        encoder_levels: int | None = None,
    ) -> None:
        levels = encoder_levels or len(in_channels)
        super().__init__(
            in_channels=list(in_channels),
            strides=[4 * 2**level for level in range(len(in_channels))],
            feat_channels=channels,
            out_channels=channels,
            num_outs=min(3, levels),
            norm_cfg=dict(type='GN', num_groups=32),
            act_cfg=dict(type='ReLU'),
            encoder=ConfigDict(
                num_layers=num_layers,
                layer_cfg=dict(
                    self_attn_cfg=dict(
                        embed_dims=channels,
                        num_heads=num_heads,
                        num_levels=levels,
                        num_points=4,
                        dropout=0.0,
                        batch_first=True,
                    ),
                    ffn_cfg=dict(
                        embed_dims=channels, feedforward_channels=ffn_channels, ffn_drop=0.0
                    ),
                ),
            ),
            positional_encoding=dict(num_feats=channels // 2, normalize=True),
        )
        self.encoder.layers = nn.ModuleList(map(DeformableEncoderLayer, self.encoder.layers))

    def init_weights(self) -> None:
        """Initialise as mmdet does, but let fewer than four heads look around too.

        mmdet gives every head one direction, in which its points lie in a row: a single head would
        look to the right of each position and never at it. There the points of a head take
        different directions, one cell away (our choice).
        """
        super().init_weights()
        for layer in self.encoder.layers:
            attention = layer.self_attn
            if attention.num_heads < 4:
                look_around(attention)

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Encode all levels jointly.

        Args:
            feats: ``F_1..F_4``, each ``[B, C_i, H_i, W_i]``, fine to coarse.

        Returns:
            The mask feature ``[B, channels, H/4, W/4]``, and the memories of the three coarsest
            levels ``[B, channels, H_i, W_i]``, coarse to fine.
        """
        levels = self.flatten_levels(feats)
        tokens = levels.tokens
        for layer in self.encoder.layers:
            tokens = layer(tokens, levels.position, levels.grid, levels.shapes)
        finest, memories = self.join_finer_levels(tokens, levels.shapes, feats)
        return self.mask_feature(finest), memories[: self.num_outs]

    def flatten_levels(self, feats: Sequence[Tensor]) -> Levels:
        """Project the levels inside the encoder and lay them one after the other, coarse first."""
        coarse_to_fine = list(feats)[::-1]
        inside = len(self.input_convs)
        shapes = [(feat.shape[2], feat.shape[3]) for feat in coarse_to_fine[:inside]]
        tokens = torch.cat(
            [
                conv(feat).flatten(2).transpose(1, 2)
                for conv, feat in zip(self.input_convs, coarse_to_fine, strict=False)
            ],
            dim=1,
        )
        position = torch.cat(
            [
                self.position(shape, tokens) + level
                for shape, level in zip(shapes, self.level_encoding.weight, strict=True)
            ]
        )
        grid = _sampling_grid(
            tuple(shapes),
            self.encoder.layers[0].self_attn.num_points,
            tokens.device,
            torch.promote_types(tokens.dtype, torch.float32),
        )
        return Levels(tokens, position, grid, shapes)

    def join_finer_levels(
        self, tokens: Tensor, shapes: Sequence[tuple[int, int]], feats: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Make maps of the encoder's tokens, and join the finer levels by the FPN.

        Args:
            tokens: ``[B, S, channels]``.
            shapes: ``(h, w)`` of every level inside.
            feats: ``F_1..F_4``, fine to coarse.

        Returns:
            The finest map ``[B, channels, h, w]``, and those of the levels inside, coarse to fine.
        """
        memories = [
            memory.transpose(1, 2).unflatten(2, shape)
            for memory, shape in zip(
                tokens.split([h * w for h, w in shapes], dim=1), shapes, strict=True
            )
        ]
        finest = memories[-1]
        finer = list(feats)[::-1][len(shapes) :]
        for lateral, output, feat in zip(self.lateral_convs, self.output_convs, finer, strict=True):
            above = F.interpolate(finest, feat.shape[2:], mode='bilinear', align_corners=False)
            finest = output(lateral(feat) + above)
        return finest, memories

    def position(self, shape: tuple[int, int], like: Tensor) -> Tensor:
        """Sine position encoding ``[H * W, channels]`` in the dtype and device of ``like``."""
        return sine_position(self.postional_encoding, shape, like)


class DeformableEncoderLayer(nn.Module):
    """mmdet's layer of the deformable encoder, its modules and their names, with our forward.

    Args:
        layer: mmdet's layer.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.self_attn, self.ffn, self.norms = layer.self_attn, layer.ffn, layer.norms

    def forward(
        self,
        tokens: Tensor,
        position: Tensor,
        grid: tuple[Tensor, Tensor],
        shapes: Sequence[tuple[int, int]],
    ) -> Tensor:
        """Self-attention, then the feed-forward network, each with its shortcut and norm.

        Args:
            tokens: ``[B, S, C]``, all levels one after the other.
            position: their encoding, ``[S, C]``.
            grid: centres of the queries and sizes of the cells, of the attention's points.
            shapes: ``(h, w)`` of every level.

        Returns:
            ``[B, S, C]``.
        """
        attended = _self_attention(self.self_attn, tokens, position, grid, shapes)
        tokens = self.norms[0](tokens + attended)
        return self.norms[1](self.ffn(tokens))


def look_around(attention: nn.Module) -> None:
    """Start the points of all heads on a circle of one cell around the query."""
    heads, points = attention.num_heads, attention.num_points
    turn = torch.arange(points)[:, None] / points + torch.arange(heads) / (points * heads)
    angle = 2 * math.pi * turn.T  # [heads, points]
    offsets = torch.stack([angle.cos(), angle.sin()], -1).unsqueeze(1)
    bias = offsets.expand(-1, attention.num_levels, -1, -1).reshape(-1)
    attention.sampling_offsets.bias.data.copy_(bias)


@cache
def _sampling_grid(
    shapes: tuple[tuple[int, int], ...], points: int, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return what makes locations of offsets in cells: the queries' centres, the cells' sizes.

    Returns:
        ``[S, 1, 2 K]`` and ``[2 K]``, (x, y) pairs for ``K = levels * points``. Written out: short
        broadcast dimensions are slow.
    """
    centres = torch.cat([cell_centres(*shape, device) for shape in shapes]).to(dtype)
    sizes = torch.tensor([(w, h) for h, w in shapes], dtype=dtype, device=device)
    sizes = sizes.repeat_interleave(points, dim=0).flatten()
    return centres.repeat(1, len(shapes) * points).unsqueeze(1), 1 / sizes


def _self_attention(
    attention: nn.Module,
    tokens: Tensor,
    position: Tensor,
    grid: tuple[Tensor, Tensor],
    shapes: Sequence[tuple[int, int]],
) -> Tensor:
    """Deformable self-attention with the parameters of mmcv's module, ``[B, S, C]``."""
    batch, length, _ = tokens.shape
    heads, levels, points = attention.num_heads, attention.num_levels, attention.num_points
    query = tokens + position
    value = attention.value_proj(tokens).view(batch, length, heads, -1)
    offsets = attention.sampling_offsets(query).view(batch, length, heads, -1)
    weights = attention.attention_weights(query).view(batch, length, heads, -1).softmax(-1)
    centres, cell = grid
    locations = torch.addcmul(centres, offsets.to(centres.dtype), cell)
    out = deformable_attention(
        value,
        shapes,
        locations.unflatten(-1, (levels, points, 2)),
        weights.unflatten(-1, (levels, points)),
    )
    return attention.output_proj(out)
