# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Position encodings of feature maps as token sequences."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def sine_position(encoding: nn.Module, shape: tuple[int, int], like: Tensor) -> Tensor:
    """Position encoding of a map without padding, row by row.

    Args:
        encoding: mmdet's ``SinePositionalEncoding``.
        shape: ``(H, W)``.
        like: its dtype and device are taken.

    Returns:
        ``[H * W, channels]``.
    """
    no_padding = torch.zeros(1, *shape, dtype=torch.bool, device=like.device)
    return encoding(no_padding)[0].flatten(1).T.to(like.dtype)
