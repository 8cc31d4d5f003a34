# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What the package asks of a tokenizer, and how one is built from a config."""

from __future__ import annotations

import functools
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.registry import Registry

from magnet_mm.errors import ConfigError

TOKENIZERS = Registry('tokenizer', scope='magnet_mm')


class Tokenizer(ABC):
    """Sentences to token ids.

    Attributes:
        name: What it is called in messages and in exported files.
        vocabulary_size: Number of ids.
        pad_token_id: Id that fills the room a sentence leaves.
        unknown_token_id: Id of a token that is not in the vocabulary; None where there is none.
        fewest_tokens: Room that an empty sentence takes (2 for [CLS] [SEP]).
    """

    name: str
    vocabulary_size: int
    pad_token_id: int
    unknown_token_id: int | None
    fewest_tokens: int

    @abstractmethod
    def encode(self, expression: str, max_tokens: int) -> dict[str, np.ndarray]:
        """Return what the text encoder reads of a sentence.

        Returns:
            `input_ids`, `attention_mask` (1 = token, 0 = padding) and `special_tokens_mask`
            (1 = no word: [CLS], [SEP] or padding), int64 [max_tokens] each, and what else the text
            encoder wants as `text_*`.
        """

    @classmethod
    def text_fields(cls, max_tokens: int) -> dict[str, np.ndarray]:
        """Return what `encode` adds as `text_*`, of an empty sentence.

        Exported networks have an input for each; the vocabulary need not be there.
        """
        return {}

    @abstractmethod
    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the tokens of ids, as the vocabulary writes them."""

    @abstractmethod
    def count(self, expression: str) -> int:
        """Return how many tokens the whole sentence has, special ones included."""

    @abstractmethod
    def unknown(self, expression: str) -> list[str]:
        """Return the pieces of a sentence that are not in the vocabulary, each once, in order."""

    @abstractmethod
    def unread(self, expression: str, max_tokens: int) -> tuple[int, str]:
        """Return how many tokens of a sentence are read, and the text behind them.

        Special tokens do not count. The text is '' where all of it is read.
        """

    @abstractmethod
    def add_words(self, words: Sequence[str], folder: str | os.PathLike) -> str:
        """Write the vocabulary with more words behind its own, whose ids stay.

        Args:
            words: What :meth:`unknown` found.
            folder: Where to write; it is made.

        Returns:
            What names the new vocabulary in a config.
        """

    @abstractmethod
    def save(self, path: str | os.PathLike, max_tokens: int) -> None:
        """Write one JSON file with which a program without this package gets `max_tokens` ids."""

    @abstractmethod
    def save_files(self, folder: str | os.PathLike) -> dict[str, Any]:
        """Write what the tokenizer is made of into a folder that is there.

        Returns:
            The config that builds the same tokenizer from the folder.
        """


def build_tokenizer(config: str | Mapping) -> Tokenizer:
    """Return the tokenizer that a config names, built once per process.

    Args:
        config (str | Mapping): A Hugging Face tokenizer's name (see
            :func:`~magnet_mm.datasets.tokenizers.hugging_face.resolve_tokenizer_path`), or
            `dict(type=<registered in TOKENIZERS>, ...)`.

    Raises:
        ConfigError: There is no such type, or the tokenizer cannot be loaded.
    """
    return _build(json.dumps(_settings(config), sort_keys=True))


def tokenizer_class(config: str | Mapping) -> type[Tokenizer]:
    """Return the class of the tokenizer that a config names; it is not built.

    Raises:
        ConfigError: There is no such type.
    """
    kind = _settings(config).get('type')
    if kind not in TOKENIZERS.module_dict:
        raise ConfigError(
            f'There is no tokenizer of type {kind!r}; there are '
            f'{", ".join(sorted(TOKENIZERS.module_dict))}. Correct tokenizer.type.'
        )
    return TOKENIZERS.module_dict[kind]


def _settings(config: str | Mapping) -> Mapping:
    return dict(type='HuggingFaceTokenizer', name=config) if isinstance(config, str) else config


@functools.cache
def _build(settings: str) -> Tokenizer:
    arguments = json.loads(settings)
    built = tokenizer_class(arguments)
    arguments.pop('type')
    try:
        return built(**arguments)
    except TypeError as error:
        raise ConfigError(f'The tokenizer {settings} does not build: {error}') from error
