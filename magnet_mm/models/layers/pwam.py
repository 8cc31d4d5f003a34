# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Pixel-word attention module and language gate (LAVT, CVPR 2022, sec. 3.2-3.3; MagNet).

LAVT and MagNet share the module and differ in the normalisation of query and output [C]:
instance norm over positions in LAVT, layer norm over channels in MagNet.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from magnet_mm.errors import ConfigError
from magnet_mm.models.layers.normalization import SequenceInstanceNorm


def _build_norm(name: str, channels: int) -> nn.Module:
    if name == 'instance':
        return SequenceInstanceNorm()
    if name == 'layer':
        return nn.LayerNorm(channels)
    raise ConfigError(f"PWAM norm is 'instance' (LAVT) or 'layer' (MagNet), not {name!r}.")


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """``[B, N, C]`` to ``[B, heads, N, C / heads]``."""
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """``[B, heads, N, C / heads]`` to ``[B, N, C]``."""
    return x.transpose(1, 2).flatten(2)


class PixelWordAttention(nn.Module):
    """Every pixel gathers the words that describe it: ``G`` of LAVT eq. 1-4.

    ``Q = norm(V W_q)``, ``K = m (L W_k)``, ``U = m (L W_u)``,
    ``A = softmax_T(Q K^T / sqrt(C) + 1e4 (m - 1))``, ``G = norm(A U W)``.
    The scale uses the full width even with several heads [C LAVT, MagNet].

    Before an instance norm over the pixels, ``U`` is centred over the words: each row of ``A`` adds
    up to 1, so this shifts a channel by the same amount at every pixel, which the norm removes. The
    result is the same; what is lost to rounding where the words are alike is not (our choice).

    Args:
        channels: visual width ``C``.
        text_channels: text width ``D``.
        num_heads: attention heads, 1 in both papers' released code [C].
        norm: ``instance`` (LAVT) or ``layer`` (MagNet).
        width: of queries, keys and values; None takes ``channels``.
        scale: of the products; None takes ``width ** -0.5``.
    """

    def __init__(
        self,
        channels: int,
        text_channels: int,
        num_heads: int,
        norm: str,
        width: int | None = None,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        width = width or channels
        self.num_heads = num_heads
        self.scale = width**-0.5 if scale is None else scale
        self.centre_values = norm == 'instance'
        self.query = nn.Linear(channels, width)
        self.query_norm = _build_norm(norm, width)
        self.key = nn.Linear(text_channels, width)
        self.value = nn.Linear(text_channels, width)
        self.out = nn.Linear(width, channels)
        self.out_norm = _build_norm(norm, channels)

    def affinity(self, pixels: Tensor, words: Tensor, word_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the two factors of the pixel-word affinity ``Q K^T``.

        Args:
            pixels: ``V [B, N, C]``.
            words: ``L [B, T, D]``.
            word_mask: 0/1 ``[B, T]``.

        Returns:
            Queries ``[B, heads, N, C / heads]`` and keys ``[B, heads, T, C / heads]``, zero where
            the sentence is padded.
        """
        query = self.query_norm(self.query(pixels))
        key = self.key(words) * word_mask.to(words.dtype).unsqueeze(-1)
        return split_heads(query, self.num_heads), split_heads(key, self.num_heads)

    def gather(self, query: Tensor, key: Tensor, words: Tensor, word_mask: Tensor) -> Tensor:
        """Gather for every pixel from the words, ``G [B, N, C]``, given :meth:`affinity`."""
        mask = word_mask.to(words.dtype)
        value = self.value(words) * mask.unsqueeze(-1)
        if self.centre_values:
            mean = value.sum(1, keepdim=True) / mask.sum(1).clamp(min=1)[:, None, None]
            value = (value - mean) * mask.unsqueeze(-1)
        gathered = F.scaled_dot_product_attention(
            query,
            key,
            split_heads(value, self.num_heads),
            attn_mask=1e4 * (mask[:, None, None, :] - 1.0),
            scale=self.scale,
        )
        return self.out_norm(self.out(merge_heads(gathered)))

    def forward(self, pixels: Tensor, words: Tensor, word_mask: Tensor) -> Tensor:
        """``[B, N, C]``, ``[B, T, D]``, 0/1 ``[B, T]`` to ``[B, N, C]``."""
        query, key = self.affinity(pixels, words, word_mask)
        return self.gather(query, key, words, word_mask)


class PWAM(nn.Module):
    """Pixel-word attention multiplied into a projected visual map: ``F`` of LAVT eq. 5-6.

    ``M = GELU(V W_m)``, ``F = GELU((M * G) W_f)``. Dropout is 0 in the released code [C].
    """

    def __init__(
        self, channels: int, text_channels: int, num_heads: int = 1, norm: str = 'instance'
    ) -> None:
        super().__init__()
        self.visual_project = nn.Linear(channels, channels)
        self.attention = PixelWordAttention(channels, text_channels, num_heads, norm)
        self.project = nn.Linear(channels, channels)

    def forward(self, pixels: Tensor, words: Tensor, word_mask: Tensor) -> Tensor:
        """``[B, N, C]``, ``[B, T, D]``, 0/1 ``[B, T]`` to ``[B, N, C]``."""
        return self.combine(pixels, self.attention(pixels, words, word_mask))

    def combine(self, pixels: Tensor, gathered: Tensor) -> Tensor:
        """``F [B, N, C]`` of the pixels and what they gathered, ``G [B, N, C]``."""
        visual = F.gelu(self.visual_project(pixels))
        return F.gelu(self.project(visual * gathered))


class LanguageGate(nn.Module):
    """Weights for a fused residual: ``tanh(W_2 act(W_1 x))``, bias-free (LAVT eq. 7).

    Args:
        channels: width.
        activation: ``relu`` (LAVT, MagNet's text branch) or ``gelu`` (MagNet's image branch) [C].
        zero_init: start closed by zeroing the last linear alone. Zeroing both, as some released
            code does, leaves both gradients exactly zero: such a gate never opens.
    """

    def __init__(self, channels: int, activation: str = 'relu', zero_init: bool = False) -> None:
        super().__init__()
        self.hidden = nn.Linear(channels, channels, bias=False)
        self.out = nn.Linear(channels, channels, bias=False)
        if activation not in ('relu', 'gelu'):
            raise ConfigError(f"The gate's activation is 'relu' or 'gelu', not {activation!r}.")
        self.activation = F.relu if activation == 'relu' else F.gelu
        # Released LAVT draws every linear of the backbone from a normal of 0.02, gates included.
        nn.init.trunc_normal_(self.hidden.weight, std=0.02)
        if zero_init:
            nn.init.zeros_(self.out.weight)
        else:
            nn.init.trunc_normal_(self.out.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """``[..., C]`` to weights in (-1, 1) of the same shape."""
        return self.out(self.activation(self.hidden(x))).tanh()
