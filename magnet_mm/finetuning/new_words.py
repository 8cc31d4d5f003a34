# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Words of own data that a model does not know: counted, and added to its vocabulary.

Old words keep their ids and their rows; the rows of new ones are what a fresh text encoder starts
with. A vocabulary of word pieces as large as BERT's knows every piece, so that nothing is added.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from torch import Tensor

from magnet_mm.config_types import component_class, type_name
from magnet_mm.datasets.tokenizers import Tokenizer, build_tokenizer
from magnet_mm.errors import ConfigError

_NAMED = 8  # words that the report names


def tokenizer_step(pipeline: Sequence[Mapping]) -> dict:
    """Return the settings of the pipeline's ``TokenizeExpression``.

    Raises:
        ConfigError: There is none.
    """
    for step in pipeline:
        if type_name(step) == 'TokenizeExpression':
            return dict(step)
    raise ConfigError('The pipeline of the config has no TokenizeExpression.')


def unknown_words(tokenizer: Tokenizer, sentences: Iterable[str]) -> Counter[str]:
    """Count what the vocabulary lacks; punctuation alone is left out."""
    found = Counter(word for text in sentences for word in tokenizer.unknown(text))
    return Counter({word: n for word, n in found.items() if any(map(str.isalnum, word))})


def describe(words: Counter[str], sentences: int) -> str:
    """Say in a sentence which words are new."""
    if not words:
        return f'Every word of the {sentences} sentences is known.'
    named = ', '.join(f'{word} ({count})' for word, count in words.most_common(_NAMED))
    more = ' ...' if len(words) > _NAMED else ''
    return f'{len(words)} words are new to the model: {named}{more}'


def grow_vocabulary(cfg: Config, step: Mapping, words: Iterable[str], folder: Path) -> dict:
    """Write a vocabulary with more words, and let the model of a config have rows for it.

    Args:
        cfg: The config; its model is changed in place.
        step: Its ``TokenizeExpression``.
        words: The new words.
        folder: For the files of the vocabulary.

    Returns:
        The ``TokenizeExpression`` for the new vocabulary.
    """
    old = step['tokenizer']
    name = build_tokenizer(old).add_words(sorted(words), folder)
    new = name if isinstance(old, str) else dict(old, vocabulary=name)
    size = build_tokenizer(new).vocabulary_size
    text = cfg.model.backbone.text
    if 'vocabulary_size' in inspect.signature(component_class(MODELS, text)).parameters:
        text.vocabulary_size = max(size, text.get('vocabulary_size', 0))  # some have rows to spare
    else:
        sizes = dict(text.get('config') or {})
        text.config = dict(sizes, vocab_size=max(size, sizes.get('vocab_size', 0)))
    if not isinstance(old, str):
        for part in (text, text.get('word_vectors') or {}):
            if part.get('vocabulary') == old['vocabulary']:
                part['vocabulary'] = name
    return dict(step, tokenizer=new)


def grow_rows(
    old: Mapping[str, Tensor], fresh: Mapping[str, Tensor], known: int
) -> dict[str, Tensor]:
    """Carry weights over to a model whose vocabulary has more words.

    Args:
        old: State dict of the checkpoint.
        fresh: State dict of the new model as it is initialised.
        known: Words of the old vocabulary: so many first rows are kept.

    Returns:
        ``old``; a tensor that has more rows in the new model has its rows behind the known ones
        from ``fresh``.
    """
    grown = dict(old)
    for key, value in old.items():
        target = fresh.get(key)
        if (
            target is not None
            and target.shape[1:] == value.shape[1:]
            and target.shape[:1] > value.shape[:1]
        ):
            grown[key] = torch.cat([value[:known], target[known:].to(value)])
    return grown
