# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Position encodings of feature maps as token sequences."""

from __future__ import annotations

import math

import torch
from mmdet.models.layers import SinePositionalEncoding
from torch import Tensor

from magnet_mm.models.layers.cache import cache

_SETTINGS = ('num_feats', 'temperature', 'normalize', 'scale', 'eps', 'offset')


def sine_position(encoding: SinePositionalEncoding, shape: tuple[int, int], like: Tensor) -> Tensor:
    """Position encoding of a map without padding, row by row.

    Args:
        encoding: mmdet's ``SinePositionalEncoding``.
        shape: ``(H, W)``.
        like: its dtype and device are taken.

    Returns:
        ``[H * W, channels]``, shared between calls: do not write into it.
    """
    settings = tuple(getattr(encoding, name) for name in _SETTINGS)
    return _sine_position(settings, *shape, like.device, like.dtype)


@cache
def _sine_position(
    settings: tuple, height: int, width: int, device: torch.device, dtype: torch.dtype
) -> Tensor:
    encoding = SinePositionalEncoding(**dict(zip(_SETTINGS, settings, strict=True)))
    no_padding = torch.zeros(1, height, width, dtype=torch.bool, device=device)
    return encoding(no_padding)[0].flatten(1).T.contiguous().to(dtype)


@cache
def sinusoid(length: int, channels: int, device: torch.device) -> Tensor:
    """Encode positions 0, 1, ... as in "Attention is all you need", float32 ``[length, channels]``.

    Channels ``2 i`` and ``2 i + 1`` are sine and cosine of ``p / 10000 ** (2 i / channels)``.
    Shared between calls: do not write into it.
    """
    position = torch.arange(length, device=device, dtype=torch.float32)[:, None]
    even = torch.arange(0, channels, 2, device=device, dtype=torch.float32)
    angle = position * torch.exp(-math.log(10000.0) / channels * even)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)
