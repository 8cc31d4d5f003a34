# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""MUTAN fusion of a map with a sentence, as CMPC and LSCM have it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Mutan(nn.Module):
    """A sum of products of two projections, one pair per head [C].

    ``l2(tanh(sum_k tanh(V_k [v ; S]) * tanh(L_k q)))``, ``l2`` over the channels.

    Args:
        visual_channels: of the map, coordinates included.
        text_channels: of the sentence.
        channels: of the result.
        num_heads: pairs; 5 [C].
    """

    def __init__(
        self, visual_channels: int, text_channels: int, channels: int, num_heads: int = 5
    ) -> None:
        super().__init__()
        self.visual = nn.ModuleList(nn.Linear(visual_channels, channels) for _ in range(num_heads))
        self.text = nn.ModuleList(nn.Linear(text_channels, channels) for _ in range(num_heads))

    def forward(self, visual: Tensor, sentence: Tensor) -> Tensor:
        """``[B, ..., C_v]`` and a sentence that broadcasts, e.g. ``[B, 1, 1, C_t]``."""
        products = (
            v(visual).tanh() * t(sentence).tanh()
            for v, t in zip(self.visual, self.text, strict=True)
        )
        return F.normalize(torch.tanh(sum(products)), dim=-1, eps=1e-6)
