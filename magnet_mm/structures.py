# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What flows between the parts of a referring-segmentation model.

Shape legend, used in every docstring of :mod:`magnet_mm.models`:

- ``B`` batch, ``T`` tokens of a sentence, ``D`` text channels, ``i`` stage 0..3
- ``V_i [B, H_i, W_i, C_i]`` visual features of a stage, channels last, before downsampling
- ``L_i [B, T, D]`` word features of a stage
- ``F_i [B, C_i, H_i, W_i]`` fused features handed to the heads, mostly strides 4, 8, 16, 32
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor

from magnet_mm.errors import ConfigError


@dataclass
class TextFeatures:
    """What a text encoder says of a batch of sentences.

    Attributes:
        words: ``[B, T, D]``.
        mask: ``[B, T]`` int64, 1 for real tokens; padding may stand in front or behind.
        sentence: ``[B, S]``, the encoder's own sentence vector (a recurrent state, CLIP's
            end-of-text state); None where it has none.
        embeddings: ``[B, T, E]``, what the tokens were before the encoder read the sentence.
        graph: ``[B, T, T]``, weights of the sentence's tree (LSCM).
    """

    words: Tensor
    mask: Tensor
    sentence: Tensor | None = None
    embeddings: Tensor | None = None
    graph: Tensor | None = None


class FusionOutput(NamedTuple):
    """Result of fusing one stage.

    Attributes:
        visual: ``[B, H_i, W_i, C_i]``, goes on to the next visual stage.
        words: ``[B, T, D]``, goes on to the next text stage.
        feature: ``[B, H_i, W_i, C_out]``, the fused feature ``F_i`` for the heads, as many channels
            as the fusion module's ``out_channels`` says.
        extras: what auxiliary heads of this method read besides, by name.
    """

    visual: Tensor
    words: Tensor
    feature: Tensor
    extras: dict[str, Tensor] | None = None


@dataclass
class CrossModalFeatures:
    """Everything the heads may look at; one object per forward pass.

    Attributes:
        visual: features ``F_i [B, C_i, H_i, W_i]``, fine to coarse.
        text: the text after the last fusion.
        word_embedding: ``[vocabulary, E]``, the text encoder's input embedding, lent to heads
            that tie their output to it (never registered a second time); None where it has none.
        extras: what each stage's fusion module left for auxiliary heads, by stage.
        pixel_embedding: ``[B, E, h, w]``, added by a decode head that has one.
        word_targets: ``[B, T]`` int64, the true ids of corrupted words and -1 elsewhere; only in
            training, and only when an auxiliary head corrupts the sentence.
    """

    visual: tuple[Tensor, ...]
    text: TextFeatures
    word_embedding: Tensor | None = None
    extras: list[dict[str, Tensor]] = field(default_factory=list)
    pixel_embedding: Tensor | None = None
    word_targets: Tensor | None = None

    @property
    def words(self) -> Tensor:
        """Last word features ``[B, T, D]``."""
        return self.text.words

    @property
    def word_mask(self) -> Tensor:
        """``[B, T]`` int64, 1 for real tokens."""
        return self.text.mask

    def sentence(self, pooling: str = 'mean') -> Tensor:
        """Sentence feature ``[B, D]``: the encoder's ``own``, the ``cls`` token, or the ``mean``.

        The mean is over all real tokens, [CLS] and [SEP] included; 0 for a sentence without any.

        Raises:
            ConfigError: for any other pooling, or ``own`` where the encoder has none.
        """
        if pooling == 'own' and self.text.sentence is not None:
            return self.text.sentence
        if pooling == 'cls':
            return self.words[:, 0]
        if pooling != 'mean':
            raise ConfigError(
                "The sentence is 'mean', 'cls' or, where the text encoder has a sentence vector, "
                f"'own', not {pooling!r}."
            )
        mask = self.word_mask.to(self.words.dtype).unsqueeze(-1)
        return (self.words * mask).sum(1) / mask.sum(1).clamp(min=1)


class Prediction(NamedTuple):
    """What a decode head answers.

    Attributes:
        masks: logits ``[B, C, h, w]`` at any stride; ``C = 1`` for a sigmoid, 2 for a softmax.
        no_target: ``[B]``, logit of "nothing in this picture is meant"; None where the head always
            finds something.
    """

    masks: Tensor
    no_target: Tensor | None = None
