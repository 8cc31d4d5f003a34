# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""MagNet's text branch: every word gathers the pixels it speaks of (docs/methods/magnet.md)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from magnet_mm.errors import ConfigError
from magnet_mm.models.layers.normalization import SequenceInstanceNorm
from magnet_mm.models.layers.precision import no_autocast


class TextPWAM(nn.Module):
    """PWAM with words as queries and pixels as keys.

    ``q = m (L W_q)``, ``K = IN(V W_k)``, ``U = IN(V W_u)``, ``A = softmax_HW(q K^T / sqrt(D))``,
    ``r = GELU((GELU(L W_m) * IN(A U W)) W_f)``.

    Args:
        text_channels: ``D``.
        visual_channels: ``C_i``.
        text_mask: ``binary`` multiplies the queries with the 0/1 mask, as meant, and its last
            instance norm runs over the real tokens, so that padding changes nothing. ``additive``
            repeats the released network, which passes BERT's additive mask (0 for words, -10000
            for padding) in its place, so that all real words receive the same vector, and
            normalises over all T tokens, so that the result depends on T [C].
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
        query = self.query(words)
        if self.text_mask == 'binary':
            gathered = self.attend(query * word_mask.to(query.dtype).unsqueeze(-1), pixels)
            gathered = self.norm(self.out(gathered), word_mask)
        else:  # at least float32: times -10000 a query is too large for float16
            wide = query.float() if query.element_size() < 4 else query
            factor = (1.0 - word_mask.to(wide.dtype).unsqueeze(-1)) * -10000.0
            gathered = self.attend(wide * factor, pixels).to(query.dtype)
            gathered = self.norm(self.out(gathered))
        language = F.gelu(self.text_project(words))
        return F.gelu(self.project(language * gathered))

    def attend(self, query: Tensor, pixels: Tensor) -> Tensor:
        """Gather ``A U [B, T, D]`` for the queries ``[B, T, D]``, in their dtype."""
        key, value = self.norm(self.key(pixels)), self.norm(self.value(pixels))
        with no_autocast(query):
            heads = (tensor.to(query.dtype).unsqueeze(1) for tensor in (query, key, value))
            return F.scaled_dot_product_attention(*heads).squeeze(1)
