# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Word-pixel alignment of CoupAlign (WPA; NeurIPS 2022, sec. 3.2; docs/methods/coupalign.md).

The paper establishes that the alignment runs in both directions at every encoder stage; its exact
formulas were not readable. What stands here is our choice: LAVT's PWAM, whose pixel-word affinity
serves a second time, read the other way round, for the words.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from magnet_mm.models.layers.pwam import PWAM, merge_heads, split_heads


class WordPixelAlignment(nn.Module):
    """Words reach the pixels and pixels reach the words through one affinity ``A``.

    ``A = IN(V W_1) (m L W_2)^T / sqrt(C)``, ``[B, HW, T]``, from the features before either
    update. Both directions are torch's scaled dot-product attention on the same projections, with
    queries and keys exchanged.

    - words to pixels: ``F = GELU((GELU(V W_5) * IN(softmax_T(A) (m L W_3) W_4)) W_6)``, the PWAM
    - pixels to words: ``G = LN(softmax_HW(A^T) (V W_7) W_8)``

    Args:
        channels: visual width ``C``.
        text_channels: text width ``D``.
        num_heads: attention heads; 1, as LAVT's (our choice).
    """

    def __init__(self, channels: int, text_channels: int, num_heads: int = 1) -> None:
        super().__init__()
        self.pwam = PWAM(channels, text_channels, num_heads, norm='instance')
        self.pixel_value = nn.Linear(channels, channels)
        self.word_out = nn.Linear(channels, text_channels)
        self.word_norm = nn.LayerNorm(text_channels)

    def word_branch(self) -> list[nn.Module]:
        """Return the modules of the direction from pixels to words alone."""
        return [self.pixel_value, self.word_out, self.word_norm]

    def forward(
        self, pixels: Tensor, words: Tensor, word_mask: Tensor, update_words: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """Align one stage.

        Args:
            pixels: ``V [B, N, C]``.
            words: ``L [B, T, D]``.
            word_mask: 0/1 ``[B, T]``.
            update_words: False skips the direction from pixels to words.

        Returns:
            ``F [B, N, C]`` and ``G [B, T, D]``, or None in its place. ``G`` of a padded token is
            the mean over all pixels, since its key is zero.
        """
        attention = self.pwam.attention
        query, key = attention.affinity(pixels, words, word_mask)
        fused = self.pwam.combine(pixels, attention.gather(query, key, words, word_mask))
        if not update_words:
            return fused, None
        value = split_heads(self.pixel_value(pixels), attention.num_heads)
        gathered = F.scaled_dot_product_attention(key, query, value, scale=attention.scale)
        return fused, self.word_norm(self.word_out(merge_heads(gathered)))
