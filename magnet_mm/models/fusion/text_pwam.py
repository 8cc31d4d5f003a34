# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""MagNet's text branch: every word gathers the pixels it speaks of (released code, methods 3.1)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from magnet_mm.errors import ConfigError
from magnet_mm.models.fusion.normalization import SequenceInstanceNorm
from magnet_mm.models.fusion.pwam import split_heads


class TextPWAM(nn.Module):
    """PWAM with words as queries and pixels as keys.

    ``q = m (L W_q)``, ``K = IN(V W_k)``, ``U = IN(V W_u)``, ``A = softmax_HW(q K^T / sqrt(D))``,
    ``r = GELU((GELU(L W_m) * IN(A U W)) W_f)``. The last instance norm runs over all T tokens,
    padding included, as released [C]; sentences are therefore always padded to the same length.

    Args:
        text_channels: ``D``.
        visual_channels: ``C_i``.
        text_mask: ``binary`` multiplies the queries with the 0/1 mask, as meant. ``additive``
            repeats the released network, which passes BERT's additive mask (0 for words, -10000
            for padding) in its place, so that all real words receive the same vector [C].
    """

    def __init__(self, text_channels: int, visual_channels: int, text_mask: str = 'binary') -> None:
        super().__init__()
        if text_mask not in ('binary', 'additive'):
            raise ConfigError(f"text_mask is 'binary' or 'additive', not {text_mask!r}.")
        self.text_mask = text_mask
        self.text_project = nn.Linear(text_channels, text_channels)
        self.query = nn.Linear(text_channels, text_channels)
        self.key = nn.Linear(visual_channels, text_channels)
        self.value = nn.Linear(visual_channels, text_channels)
        self.out = nn.Linear(text_channels, text_channels)
        self.project = nn.Linear(text_channels, text_channels)
        self.norm = SequenceInstanceNorm()

    def forward(self, words: Tensor, word_mask: Tensor, pixels: Tensor) -> Tensor:
        """``[B, T, D]``, 0/1 ``[B, T]``, ``[B, N, C]`` to ``[B, T, D]``."""
        mask = word_mask.to(words.dtype).unsqueeze(-1)
        if self.text_mask == 'additive':
            mask = (1.0 - mask) * -10000.0
        query = split_heads(self.query(words) * mask, 1)
        key = split_heads(self.norm(self.key(pixels)), 1)
        value = split_heads(self.norm(self.value(pixels)), 1)
        gathered = F.scaled_dot_product_attention(query, key, value).squeeze(1)
        language = F.gelu(self.text_project(words))
        return F.gelu(self.project(language * self.norm(self.out(gathered))))
