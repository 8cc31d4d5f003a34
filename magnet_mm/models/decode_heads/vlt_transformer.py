# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""VLT's transformer: post-norm, ReLU attention, causal queries (docs/methods/vlt.md)."""

from __future__ import annotations

from torch import Tensor, nn

from magnet_mm.models.layers.relu_attention import ReLUAttention

_EPS = 1e-14  # of the layer norms [C VLT]


class VLTEncoderLayer(nn.Module):
    """Self-attention and a feed-forward net, each dropped, added and normalised.

    Args:
        channels: width, of the feed-forward net too.
        num_heads: attention heads.
        dropout: of what each part adds.
    """

    def __init__(self, channels: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = ReLUAttention(channels, num_heads)
        self.norm1 = nn.LayerNorm(channels, eps=_EPS)
        self.ffn = feed_forward(channels)
        self.norm2 = nn.LayerNorm(channels, eps=_EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens ``[B, N, channels]`` to the same."""
        x = self.norm1(x + self.dropout(self.attention(x, x, x)))
        return self.norm2(x + self.dropout(self.ffn(x)))


class VLTDecoderLayer(nn.Module):
    """Causal self-attention of the queries, attention to the memory, feed-forward net.

    Query n sees the queries up to n alone [C VLT]. Arguments as :class:`VLTEncoderLayer`.
    """

    def __init__(self, channels: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = ReLUAttention(channels, num_heads)
        self.norm1 = nn.LayerNorm(channels, eps=_EPS)
        self.cross = ReLUAttention(channels, num_heads)
        self.norm2 = nn.LayerNorm(channels, eps=_EPS)
        self.ffn = feed_forward(channels)
        self.norm3 = nn.LayerNorm(channels, eps=_EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """Map queries ``[B, N, channels]`` by a memory ``[B, M, channels]`` to queries."""
        x = self.norm1(x + self.dropout(self.attention(x, x, x, causal=True)))
        x = self.norm2(x + self.dropout(self.cross(x, memory, memory)))
        return self.norm3(x + self.dropout(self.ffn(x)))


def feed_forward(channels: int) -> nn.Sequential:
    """Two linear layers, Glorot normal, and a ReLU between them [C VLT]."""
    net = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels))
    for layer in (net[0], net[2]):
        nn.init.xavier_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    return net
