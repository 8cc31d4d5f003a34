# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What flows between the parts of a referring-segmentation model.

Shape legend, used in every docstring of :mod:`magnet_mm.models`:

- ``B`` batch, ``T`` tokens of a sentence, ``D`` text channels, ``i`` stage 0..3
- ``V_i [B, H_i, W_i, C_i]`` visual features of a stage, channels last, before downsampling
- ``L_i [B, T, D]`` word features of a stage
- ``F_i [B, C_i, H_i, W_i]`` fused features handed to the heads, strides 4, 8, 16, 32
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


class FusionOutput(NamedTuple):
    """Result of fusing one stage.

    Attributes:
        visual: ``[B, H_i, W_i, C_i]``, goes on to the next visual stage.
        words: ``[B, T, D]``, goes on to the next text stage.
        feature: ``[B, H_i, W_i, C_i]``, the fused feature ``F_i`` for the heads.
    """

    visual: Tensor
    words: Tensor
    feature: Tensor


@dataclass
class CrossModalFeatures:
    """Everything the heads may look at; one object per forward pass.

    Attributes:
        visual: fused features ``F_i [B, C_i, H_i, W_i]``, fine to coarse.
        words: last word features ``[B, T, D]``.
        word_mask: ``[B, T]`` int64, 1 for real tokens.
        word_embedding: ``[vocabulary, D]``, the text encoder's input embedding, lent to heads
            that tie their output to it (never registered a second time).
        pixel_embedding: ``[B, E, H/4, W/4]``, added by a decode head that has one.
        word_targets: ``[B, T]`` int64, the true ids of corrupted words and -1 elsewhere; only in
            training, and only when an auxiliary head corrupts the sentence.
    """

    visual: tuple[Tensor, ...]
    words: Tensor
    word_mask: Tensor
    word_embedding: Tensor
    pixel_embedding: Tensor | None = None
    word_targets: Tensor | None = None

    def sentence(self, pooling: str = 'mean') -> Tensor:
        """Sentence feature ``[B, D]``: mean of the real tokens, or the ``cls`` token.

        The mean includes [CLS] and [SEP].

        Raises:
            ValueError: for any other pooling.
        """
        if pooling == 'cls':
            return self.words[:, 0]
        if pooling != 'mean':
            raise ValueError(f"sentence pooling is 'mean' or 'cls', not {pooling!r}")
        mask = self.word_mask.to(self.words.dtype).unsqueeze(-1)
        return (self.words * mask).sum(1) / mask.sum(1)
