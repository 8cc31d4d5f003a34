# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Plain words and an LSTM: the text encoder of CMPC and LSCM."""

from __future__ import annotations

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor

from magnet_mm.models.layers.lstm import ForgetBiasLSTM
from magnet_mm.models.text.word_vectors import WordVectors
from magnet_mm.structures import TextFeatures


@MODELS.register_module()
class WordLSTM(BaseModule):
    """An LSTM over word embeddings; the words are its outputs, the sentence is its last state.

    Padding, on either side, leaves the state alone and comes out as 0, as in the released code,
    which reads one sentence at a time (docs/methods/cmpc.md) [C].

    Args:
        vocabulary_size: rows of the embedding, see
            :class:`~magnet_mm.models.text.word_vectors.WordVectors`.
        embed_channels: width of the embedding; 300 [C].
        channels: width of the LSTM; 1000 [C].
        vectors: file of word vectors for the start; None or 'random' for random ones.
        vocabulary: the tokenizer's vocabulary, for ``vectors``.
    """

    stagewise = False
    reads_image = False

    def __init__(
        self,
        vocabulary_size: int,
        embed_channels: int = 300,
        channels: int = 1000,
        vectors: str | None = None,
        vocabulary: str | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.embedding = WordVectors(vocabulary_size, embed_channels, vectors, vocabulary)
        self.lstm = ForgetBiasLSTM(embed_channels, channels)
        self.vocabulary_size = vocabulary_size
        self.channels = self.sentence_channels = channels

    @property
    def word_embedding(self) -> Tensor:
        """The embedding ``[vocabulary, E]``."""
        return self.embedding.weight

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, text_graph: Tensor | None = None
    ) -> TextFeatures:
        """Encode sentences, ``[B, T]`` int64 each; ``text_graph [B, T, T]`` is handed on."""
        embeddings = self.embedding(input_ids)
        words, state = self.lstm(embeddings, attention_mask)
        return TextFeatures(words, attention_mask, state, embeddings, text_graph)
