# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Vocabularies of words from the sentences of a config's training set."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from mmengine.config import ConfigDict
from mmseg.registry import DATASETS

from magnet_mm.atomic_files import replacing
from magnet_mm.datasets.tokenizers.words import SPECIAL_WORDS
from magnet_mm.errors import ConfigError


def training_sentences(cfg: ConfigDict) -> Iterator[str]:
    """Yield every sentence of the training set, of all its parts where it has several.

    Args:
        cfg: A config with `train_dataloader`; images and masks are not read.

    Raises:
        DataError: The annotations cannot be read.
    """
    yield from sentences_of(cfg.train_dataloader.dataset)


def sentences_of(dataset: dict) -> Iterator[str]:
    """Yield every sentence of a data set given by its config.

    Raises:
        DataError: The annotations cannot be read.
    """
    for part in _parts(dataset):
        built = DATASETS.build(dict(part, pipeline=[], lazy_init=True, test_mode=False))
        for record in built.load_data_list():
            for sentence in record['sentences']:
                yield sentence['raw']


def tokenizer_settings(cfg: ConfigDict) -> dict:
    """Return the settings of the word tokenizer in a config's training pipeline.

    Raises:
        ConfigError: The pipeline has no tokenizer of words, which needs no such vocabulary.
    """
    part = next(_parts(cfg.train_dataloader.dataset))
    for step in part['pipeline']:
        if step['type'] == 'TokenizeExpression' and isinstance(step['tokenizer'], Mapping):
            return dict(step['tokenizer'])
    raise ConfigError(
        'The training pipeline has no tokenizer of words; its vocabulary comes with the text '
        'encoder. Name a config whose TokenizeExpression has a WordTokenizer.'
    )


def count_words(sentences: Iterable[str], split: Callable[[str], Sequence[str]]) -> Counter[str]:
    """Count the words of sentences."""
    return Counter(word for sentence in sentences for word in split(sentence))


def write_vocabulary(
    path: str | os.PathLike, counts: Mapping[str, int], size: int | None = None
) -> int:
    """Write the special words and then the others, the most frequent first.

    Args:
        path: Text file, one word a line.
        counts: How often each word occurs.
        size: Lines at most; the rarest words are left out, and become `<unk>`. None keeps all.

    Returns:
        Number of lines.
    """
    words = sorted(set(counts) - set(SPECIAL_WORDS), key=lambda word: (-counts[word], word))
    lines = [*SPECIAL_WORDS, *words][:size]
    with replacing(path) as unfinished:
        with open(unfinished, 'w', encoding='utf-8', newline='\n') as file:
            file.write('\n'.join(lines) + '\n')
    return len(lines)


def _parts(dataset: dict) -> Iterator[dict]:
    """Yield the data sets inside wrappers and mixtures."""
    if 'pipeline' in dataset:
        yield dataset
        return
    for part in dataset['datasets'] if 'datasets' in dataset else [dataset['dataset']]:
        yield from _parts(part)
