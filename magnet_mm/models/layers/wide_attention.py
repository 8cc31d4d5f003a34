# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Attention that is wider inside than outside (CARIS; docs/methods/caris.md)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from magnet_mm.models.layers.pwam import merge_heads, split_heads


class WideAttention(nn.Module):
    """Multi-head attention whose queries, keys and values have their own width.

    ``softmax(Q K^T / sqrt(inner / heads)) U W`` with ``Q, K, U`` of ``inner`` channels. Released
    CARIS clamps the scores to +-50000 first [C]: none that a softmax in float32 can tell apart
    comes near, so it is left out.

    Args:
        channels: width ``C`` of what goes in and comes out.
        inner_channels: width inside.
        num_heads: attention heads.
    """

    def __init__(self, channels: int, inner_channels: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(channels, inner_channels)
        self.key = nn.Linear(channels, inner_channels)
        self.value = nn.Linear(channels, inner_channels)
        self.out = nn.Linear(inner_channels, channels)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_mask: Tensor | None = None
    ) -> Tensor:
        """Let queries look at keys.

        Args:
            query: ``[B, N, C]``.
            key: ``[B, S, C]``.
            value: ``[B, S, C]``.
            key_mask: bool ``[B, S]``, which keys may be looked at; None for all.

        Returns:
            ``[B, N, C]``.
        """
        attended = F.scaled_dot_product_attention(
            split_heads(self.query(query), self.num_heads),
            split_heads(self.key(key), self.num_heads),
            split_heads(self.value(value), self.num_heads),
            attn_mask=None if key_mask is None else key_mask[:, None, None, :],
        )
        return self.out(merge_heads(attended))
