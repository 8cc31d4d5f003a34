# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""VLT's sentence encoder: word vectors, a bidirectional GRU, attention over the words."""

from __future__ import annotations

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.models.layers.keras_layers import dense
from magnet_mm.models.layers.reset_before_gru import BidirectionalResetBeforeGRU
from magnet_mm.models.text.word_vectors import WordVectors
from magnet_mm.structures import TextFeatures


class WordAttention(nn.Module):
    """Sentence vector: a weighted sum of the words, with weights of its own in every channel.

    ``a = softmax over words of drop(tanh(Dense(w)))``, ``f = sum_t a_t * w_t`` [C VLT]; no word is
    masked, padding takes part. That the dropout is elementwise is our choice.

    Args:
        channels: width of the words.
        dropout: in training.
    """

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.score = nn.Sequential(dense(channels, channels), nn.Tanh())
        self.dropout = nn.Dropout(dropout)
        self.over_words = nn.Softmax(dim=1)

    def forward(self, words: Tensor) -> Tensor:
        """``[B, T, channels]`` to ``[B, channels]``."""
        return (self.over_words(self.dropout(self.score(words))) * words).sum(1)


@MODELS.register_module()
class VLTText(BaseModule):
    """Word vectors, a bidirectional GRU whose directions are summed, attention over the words.

    Padding is not masked: its vectors are zeros, but the states there are not, the backward
    direction starts in it, and the words' weights count it [C] (docs/methods/vlt.md).

    Args:
        vocabulary_size: rows of the word vectors.
        word_vectors: other arguments of :class:`~magnet_mm.models.text.word_vectors.WordVectors`;
            VLT's are spaCy's, of 300 numbers, not trained, and 0 for unknown words [C].
        channels: width of the words and of the sentence; 1024 [C].
        dropout: of word vectors and word weights; 0.1 [C].
    """

    stagewise = False
    reads_image = False

    def __init__(
        self,
        vocabulary_size: int,
        word_vectors: dict | None = None,
        channels: int = 1024,
        dropout: float = 0.1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.word_vectors = WordVectors(vocabulary_size, **(word_vectors or {}))
        self.vocabulary_size = vocabulary_size
        self.channels = channels
        self.sentence_channels = channels
        self.gru = BidirectionalResetBeforeGRU(self.word_embedding.shape[1], channels, dropout)
        self.attention = WordAttention(channels, dropout)

    @property
    def word_embedding(self) -> Tensor:
        """Word vectors ``[vocabulary, E]``."""
        return self.word_vectors.weight

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **_: Tensor) -> TextFeatures:
        """Encode ids ``[B, T]`` int64; a mask of the same shape, 1 for words."""
        return self.encode(self.word_vectors(input_ids), attention_mask)

    def encode(self, vectors: Tensor, attention_mask: Tensor) -> TextFeatures:
        """Encode word vectors ``[B, T, E]`` of any origin; what the mask excludes becomes zeros."""
        vectors = vectors * attention_mask.unsqueeze(-1).to(vectors.dtype)
        words = self.gru(vectors)
        return TextFeatures(words, attention_mask, self.attention(words), vectors)
