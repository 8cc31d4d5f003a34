# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Embeddings of plain words: random, or from a file of word vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from magnet_mm.datasets.tokenizers.vocabulary_files import read_words
from magnet_mm.errors import CheckpointError

# What stands in configs where no file is named: mmengine's variables cannot be empty.
RANDOM = 'random'


class WordVectors(BaseModule):
    """An embedding of a vocabulary of words; building reads no file, ``init_weights()`` does.

    Args:
        vocabulary_size: rows; the ids of the words must lie below it.
        channels: width ``E``; 300 for GloVe's and spaCy's vectors [C].
        vectors: text file in GloVe's form, each line a word and ``E`` numbers, parted by blanks;
            None or 'random' leaves every row random.
        vocabulary: the vocabulary file of the tokenizer, which says the word of each row; needed
            beside ``vectors`` alone.
        std: deviation of the random rows; 0.6 as LSCM's for words without a vector [C].
        zero_ids: ids whose vector is always 0, such as padding and unknown words (VLT) [C].
        trainable: False keeps the vectors as they are.
    """

    def __init__(
        self,
        vocabulary_size: int,
        channels: int = 300,
        vectors: str | None = None,
        vocabulary: str | None = None,
        std: float = 0.6,
        zero_ids: Sequence[int] = (),
        trainable: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.vectors, self.vocabulary, self.std = vectors, vocabulary, std
        self.weight = nn.Parameter(torch.empty(vocabulary_size, channels), trainable)
        nn.init.normal_(self.weight, std=std)
        read = torch.ones(vocabulary_size, 1)
        read[list(zero_ids)] = 0
        # Not in the checkpoint: it follows from the config.
        self.register_buffer('read', read if len(zero_ids) else None, persistent=False)

    def init_weights(self) -> None:
        """Fill the rows whose word has a vector in the file; the others stay random.

        Raises:
            CheckpointError: when the file cannot be read, has vectors of another width, or knows
                none of the words.
            ConfigError: when the vocabulary cannot be read.
        """
        if self.vectors in (None, RANDOM):
            return
        rows = {word: row for row, word in enumerate(read_words(self.vocabulary))}
        found = read_vectors(self.vectors, rows, self.weight.shape[1])
        if not found:
            raise CheckpointError(
                f'{self.vectors} has a vector for none of the words of {self.vocabulary}.'
            )
        indices = torch.tensor([rows[word] for word in found], device=self.weight.device)
        values = torch.from_numpy(np.stack(list(found.values())))
        with torch.no_grad():
            self.weight[indices] = values.to(self.weight)
        print_log(
            f'{len(found)} of {len(rows)} words have a vector in {self.vectors}; the others are '
            'random.',
            logger='current',
        )

    def forward(self, input_ids: Tensor) -> Tensor:
        """``[B, T]`` int64 to ``[B, T, E]``."""
        words = nn.functional.embedding(input_ids, self.weight)
        if self.read is None:
            return words
        return words * nn.functional.embedding(input_ids, self.read)


def read_vectors(path: str, wanted: dict[str, int], channels: int) -> dict[str, np.ndarray]:
    """Read the vectors of wanted words, float32 ``[channels]`` each.

    Raises:
        CheckpointError: when the file cannot be read or has vectors of another width.
    """
    found = {}
    try:
        with open(Path(path).expanduser(), encoding='utf-8') as lines:
            for line in lines:
                word, _, numbers = line.rstrip('\n').partition(' ')
                if word in wanted:
                    found[word] = np.array(numbers.split(), dtype=np.float32)
    except (OSError, ValueError) as error:  # UnicodeDecodeError is a ValueError
        raise CheckpointError(
            f'The word vectors {path} cannot be read ({error}). Give a text file whose lines are '
            'a word and its numbers, or "random".'
        ) from error
    widths = {len(vector) for vector in found.values()} - {channels}
    if widths:
        raise CheckpointError(
            f'The word vectors {path} have {widths.pop()} numbers, the text encoder {channels}.'
        )
    return found
