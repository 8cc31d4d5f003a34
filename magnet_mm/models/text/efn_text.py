# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""EFN's text encoder: words without context, and a sentence from a GRU (docs/methods/efn.md)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.models.layers.word_projection import WordProjection
from magnet_mm.structures import TextFeatures


@MODELS.register_module()
class EFNTextEncoder(BaseModule):
    """Embedding and one layer for the words, a bidirectional GRU for the sentence [C].

    The words that the fusion modules read never pass through the GRU. The sentence is the state of
    both directions at the last word, where the backward one has read that word alone [C]: it is run
    over this one step, so its recurrent matrix has a gradient of exactly zero.

    Padding stands behind the words.

    Args:
        vocabulary_size: number of token ids; 12112, and 8803 for ReferIt [C].
        channels: width of embedding, states and outputs; 512 [C].
    """

    stagewise = False
    reads_image = False

    def __init__(
        self, vocabulary_size: int = 12112, channels: int = 512, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.channels = self.sentence_channels = channels
        self.vocabulary_size = vocabulary_size
        self.embedding = nn.Embedding(vocabulary_size, channels)
        self.mlp = nn.Sequential(nn.Linear(channels, channels), nn.ReLU())
        self.forward_rnn = nn.GRU(channels, channels, batch_first=True)
        self.backward_rnn = nn.GRU(channels, channels, batch_first=True)
        self.word_project = WordProjection(channels, channels)
        self.sentence_project = nn.Sequential(
            nn.Linear(2 * channels, channels), nn.BatchNorm1d(channels), nn.ReLU()
        )

    @property
    def word_embedding(self) -> Tensor:
        """``[vocabulary, channels]``."""
        return self.embedding.weight

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **text: Tensor) -> TextFeatures:
        """``[B, T]`` int64 each to words ``[B, T, channels]`` and a sentence of length 1."""
        embeddings = self.embedding(input_ids)
        read = self.mlp(embeddings)
        states, _ = self.forward_rnn(read)
        place = torch.arange(input_ids.shape[1], device=input_ids.device)
        last = (attention_mask * place).argmax(1)[:, None, None].expand(-1, 1, self.channels)
        last_state, _ = self.backward_rnn(read.gather(1, last))
        sentence = torch.cat([states.gather(1, last), last_state], -1).squeeze(1)
        words = read * attention_mask.to(read.dtype).unsqueeze(-1)
        return TextFeatures(
            self.word_project(words, attention_mask),
            attention_mask,
            sentence=F.normalize(self.sentence_project(sentence), dim=-1),
            embeddings=embeddings,
        )
