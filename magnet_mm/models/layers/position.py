# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Position encodings of feature maps as token sequences."""

from __future__ import annotations

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
