# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Shifted-window attention of Swin (Liu et al., ICCV 2021) with fused kernels."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmseg.models.backbones.swin import ShiftWindowMSA
from torch import Tensor, nn

from magnet_mm.models.layers import cache


class WindowLayout(NamedTuple):
    """How the tokens of a map are sorted into windows.

    Attributes:
        source: for every place of every window, the token that stands there; ``H * W`` means
            padding. int64 ``[windows * places]``.
        place: for every token, where it went. int64 ``[H * W]``.
        mask: 0 between places of one region, -100 between those that the cyclic shift brought
            together; ``[windows, 1, places, places]``, None without a shift.
    """

    source: Tensor
    place: Tensor
    mask: Tensor | None


class ShiftedWindowAttention(nn.Module):
    """mmseg's ``ShiftWindowMSA`` with the same parameters, names and result.

    Differences: one gather replaces padding, cyclic shift and partition; query, key and value of
    padding are the bias alone and are not multiplied out (at 480x480 and window 12, padding is 31 %
    and 61 % of the places in the last two stages); the attention is
    ``scaled_dot_product_attention``; the mask of the shift depends on the size alone and is kept.

    Args:
        attention: the module whose parameters are taken over.
    """

    def __init__(self, attention: ShiftWindowMSA) -> None:
        super().__init__()
        self.window_size = attention.window_size
        self.shift_size = attention.shift_size
        self.w_msa = attention.w_msa
        self.drop = attention.drop

    def forward(self, query: Tensor, hw_shape: tuple[int, int]) -> Tensor:
        """Tokens ``[B, H * W, C]`` to the same shape."""
        parameters = self.w_msa
        batch, _, channels = query.shape
        size = (int(hw_shape[0]), int(hw_shape[1]))
        layout = window_layout(*size, self.window_size, self.shift_size, query.device)
        places = self.window_size**2
        tokens = parameters.qkv(query)
        if layout.source.shape[0] > tokens.shape[1]:
            tokens = torch.cat([tokens, self._padding(tokens)], dim=1)
        windows = tokens.index_select(1, layout.source)
        q, k, v = windows.view(-1, places, 3, parameters.num_heads, channels // parameters.num_heads
                               ).permute(2, 0, 3, 1, 4)  # fmt: skip
        attended = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=self._bias(layout.mask, batch, q),
            dropout_p=parameters.attn_drop.p if self.training else 0.0,
            scale=parameters.scale,
        )
        attended = attended.transpose(1, 2).reshape(batch, -1, channels)
        out = parameters.proj(attended.index_select(1, layout.place))
        return self.drop(parameters.proj_drop(out))

    def _padding(self, tokens: Tensor) -> Tensor:
        """Query, key and value of a zero token, ``[B, 1, 3 C]``."""
        bias = self.w_msa.qkv.bias
        if bias is None:
            return tokens.new_zeros(tokens.shape[0], 1, tokens.shape[2])
        return bias.to(tokens.dtype).expand(tokens.shape[0], 1, -1)

    def _bias(self, mask: Tensor | None, batch: int, query: Tensor) -> Tensor:
        """Relative position bias plus mask, ``[B * windows, heads, places, places]``."""
        parameters = self.w_msa
        places = self.window_size**2
        table = parameters.relative_position_bias_table
        bias = table.index_select(0, parameters.relative_position_index.view(-1))
        bias = bias.view(places, places, -1).permute(2, 0, 1).contiguous().unsqueeze(0)
        if mask is None:
            return bias.to(query.dtype).expand(query.shape[0], -1, -1, -1)
        bias = (bias + mask).to(query.dtype)
        # A view for one image, a copy for more; a branch would make the batch an export's constant.
        return bias.expand(batch, -1, -1, -1, -1).flatten(0, 1)


def window_layout(
    height: int, width: int, window: int, shift: int, device: torch.device
) -> WindowLayout:
    """Return the layout of a map of ``height * width`` tokens; kept per size.

    The map is padded at the bottom and right to multiples of ``window`` and rolled by ``-shift``,
    as in mmseg.
    """
    source, place = _window_order(height, width, window, shift, device)
    mask = _shift_mask(height, width, window, shift, device) if shift else None
    return WindowLayout(source, place, mask)


@cache
def _window_order(
    height: int, width: int, window: int, shift: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    tokens = torch.arange(height * width, device=device).view(height, width)
    padded = F.pad(tokens, (0, -width % window, 0, -height % window), value=height * width)
    source = _partition(padded.roll((-shift, -shift), (0, 1)), window).flatten()
    place = torch.zeros(height * width + 1, dtype=source.dtype, device=device)  # last: padding
    place = place.scatter(0, source, torch.arange(source.numel(), device=device))
    return source, place[:-1]


@cache
def _shift_mask(height: int, width: int, window: int, shift: int, device: torch.device) -> Tensor:
    def bands(length: int) -> Tensor:
        """Index of the band of a rolled axis: untouched, before and after the seam."""
        position = torch.arange(length, device=device)
        return (position >= length - window).long() + (position >= length - shift).long()

    rows, columns = bands(height + -height % window), bands(width + -width % window)
    regions = _partition(rows[:, None] * 3 + columns, window)
    differ = regions[:, None, :] != regions[:, :, None]
    return torch.zeros(differ.shape, device=device).masked_fill_(differ, -100.0).unsqueeze(1)


def _partition(grid: Tensor, window: int) -> Tensor:
    """``[H, W]`` to ``[windows, window * window]``, windows and places row by row."""
    height, width = grid.shape
    tiles = grid.view(height // window, window, width // window, window)
    return tiles.transpose(1, 2).reshape(-1, window * window)
