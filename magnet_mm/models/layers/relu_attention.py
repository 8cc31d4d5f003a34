# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Multi-head attention with a ReLU at each of its four matrices (docs/methods/vlt.md)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class ReLUAttention(nn.Module):
    """Attention whose queries, keys, values and output all pass a ReLU [C VLT].

    Heads are consecutive blocks of channels; the scores are scaled by the root of a head's width.
    Matrices start Glorot normal, biases 0 [C VLT].

    Args:
        channels: width of everything.
        num_heads: must divide it.
    """

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)
        for layer in (self.query, self.key, self.value, self.out):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, causal: bool = False) -> Tensor:
        """Attend.

        Args:
            query: ``[B, N, channels]``.
            key: ``[B, M, channels]``.
            value: ``[B, M, channels]``.
            causal: query n sees the keys up to n alone.

        Returns:
            ``[B, N, channels]``.
        """
        attended = F.scaled_dot_product_attention(
            self._heads(self.query(query)),
            self._heads(self.key(key)),
            self._heads(self.value(value)),
            is_causal=causal,
        )
        return F.relu(self.out(attended.transpose(1, 2).flatten(2)))

    def _heads(self, x: Tensor) -> Tensor:
        """``[B, N, channels]`` to ``[B, heads, N, channels / heads]``, after the ReLU."""
        return F.relu(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
