# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Plain words, and their ids in a vocabulary of words."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from magnet_mm.atomic_files import write_atomically
from magnet_mm.datasets.tokenizers.interface import TOKENIZERS, Tokenizer
from magnet_mm.datasets.tokenizers.splitting import splitting_rule
from magnet_mm.datasets.tokenizers.vocabulary_files import WORDS_FILE, read_words
from magnet_mm.errors import ConfigError

PADDING = '<pad>'
UNKNOWN = '<unk>'
# The first ids of every vocabulary of words, as in CMPC's and LSCM's files [C].
SPECIAL_WORDS = (PADDING, '<go>', '<eos>', UNKNOWN)


@TOKENIZERS.register_module()
class WordTokenizer(Tokenizer):
    """One id per word; there are no special tokens, and an empty sentence has no token.

    Args:
        vocabulary (str): Text file with one word a line, or `magnet_mm://<shipped>`; `<pad>` is its
            first line, and `<unk>` stands in it (tools/dataset_tools/build_vocabulary.py).
        rule (str): How a sentence is split: `vlt`, `cmpc` or `efn`.
        padding (str): Where a sentence shorter than the room is filled up: `front` (CMPC, LSCM) or
            `end` (EFN, VLT). Of a longer one the first words are read.

    Raises:
        ConfigError: The vocabulary cannot be read or lacks those two, or the rule or the padding is
            another.
    """

    fewest_tokens = 0

    def __init__(self, vocabulary: str, rule: str = 'cmpc', padding: str = 'end') -> None:
        if padding not in ('front', 'end'):
            raise ConfigError(f"WordTokenizer: padding is 'front' or 'end', not {padding!r}.")
        self.name, self.rule, self.padding = vocabulary, rule, padding
        self._split = splitting_rule(dict(rule=rule))
        self.vocabulary = read_words(vocabulary)
        if self.vocabulary[0] != PADDING or UNKNOWN not in self.vocabulary:
            raise ConfigError(
                f'The vocabulary {vocabulary} does not start with {PADDING} or has no {UNKNOWN}; '
                'build it with tools/dataset_tools/build_vocabulary.py.'
            )
        self._ids = {word: index for index, word in enumerate(self.vocabulary)}
        self.vocabulary_size = len(self.vocabulary)
        self.pad_token_id = 0
        self.unknown_token_id = self._ids[UNKNOWN]

    @classmethod
    def splitter(cls, settings: Mapping) -> Callable[[str], Sequence[str]]:
        """Return how these settings split a sentence; the vocabulary need not be there."""
        return splitting_rule(settings)

    def split(self, expression: str) -> list[str]:
        """Return the words of a sentence, all of them."""
        return self._split(expression)

    def place(self, words: Sequence[str], max_tokens: int) -> slice:
        """Return where the words that are read stand in the room."""
        length = min(len(words), max_tokens)
        first = max_tokens - length if self.padding == 'front' else 0
        return slice(first, first + length)

    def encode(self, expression: str, max_tokens: int) -> dict[str, np.ndarray]:
        """Encode the first `max_tokens` words."""
        return self.encode_words(self.split(expression), max_tokens)

    def encode_words(self, words: Sequence[str], max_tokens: int) -> dict[str, np.ndarray]:
        """Encode the first `max_tokens` of words that are split already."""
        input_ids = np.full(max_tokens, self.pad_token_id, dtype=np.int64)
        mask = np.zeros(max_tokens, dtype=np.int64)
        place = self.place(words, max_tokens)
        input_ids[place] = [
            self._ids.get(word, self.unknown_token_id) for word in words[:max_tokens]
        ]
        mask[place] = 1
        return dict(input_ids=input_ids, attention_mask=mask, special_tokens_mask=1 - mask)

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the words of ids."""
        return [self.vocabulary[index] for index in ids]

    def count(self, expression: str) -> int:
        """Count the words of the whole sentence."""
        return len(self.split(expression))

    def unknown(self, expression: str) -> list[str]:
        """Return the words that are not in the vocabulary."""
        return list(dict.fromkeys(w for w in self.split(expression) if w not in self._ids))

    def unread(self, expression: str, max_tokens: int) -> tuple[int, str]:
        """Return how many words are read, and those behind them."""
        words = self.split(expression)
        return min(len(words), max_tokens), ' '.join(words[max_tokens:])

    def add_words(self, words: Sequence[str], folder: str | os.PathLike) -> str:
        """Write `words.txt` with more words at its end; returns its path."""
        lines = dict.fromkeys([*self.vocabulary, *words])
        path = Path(folder) / WORDS_FILE
        write_atomically(path, '\n'.join([*lines, '']).encode())
        return str(path)

    def save(self, path: str | os.PathLike, max_tokens: int) -> None:
        """Write vocabulary (a word's place is its id), splitting rule, padding and room."""
        about = dict(
            type=type(self).__name__,
            rule=self.rule,
            padding=self.padding,
            max_tokens=max_tokens,
            vocabulary=self.vocabulary,
        )
        Path(path).write_text(json.dumps(about, ensure_ascii=False) + '\n', encoding='utf-8')

    def save_files(self, folder: str | os.PathLike) -> dict[str, Any]:
        """Write `words.txt`."""
        path = Path(folder) / WORDS_FILE
        path.write_text('\n'.join(self.vocabulary) + '\n', encoding='utf-8')
        return dict(
            type=type(self).__name__, vocabulary=str(path), rule=self.rule, padding=self.padding
        )
