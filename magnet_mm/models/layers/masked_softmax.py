# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Softmax over the real words alone."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis; where the mask is 0 the result is 0, and all 0 without any 1.

    Args:
        scores: ``[..., N]``.
        mask: broadcasts to it, 1 for what counts.
    """
    kept = mask.bool()
    filled = scores.masked_fill(~kept, torch.finfo(scores.dtype).min)
    return filled.softmax(-1) * kept.to(scores.dtype)
