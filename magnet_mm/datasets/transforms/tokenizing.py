# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Turns the referring expression into token ids: BERT's WordPiece, or another encoder's."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from magnet_mm.errors import ConfigError, DataError
from magnet_mm.text_safety import printable

SHIPPED_SCHEME = 'magnet_mm://'
VOCABULARY_FILES = ('vocab.txt', 'tokenizer.json')
SHIPPED_VOCABULARIES = Path(__file__).resolve().parent.parent / 'vocabularies'


def resolve_tokenizer_path(name: str) -> str:
    """Return the local directory or hub name that a tokenizer's name in a config stands for.

    Args:
        name (str): `magnet_mm://<vocabulary>` for a vocabulary shipped with the package (such
            as `magnet_mm://refshapes`), a local directory (`~` allowed), or a hub name.

    Returns:
        str: A directory, or the hub name unchanged.

    Raises:
        ConfigError: The package ships no such vocabulary; the message lists those it does.
    """
    if name.startswith(SHIPPED_SCHEME):
        directory = SHIPPED_VOCABULARIES / name.removeprefix(SHIPPED_SCHEME)
        if not (directory / 'vocab.txt').is_file():
            shipped = sorted(path.parent.name for path in SHIPPED_VOCABULARIES.glob('*/vocab.txt'))
            raise ConfigError(
                f'"{name}": no such vocabulary in {SHIPPED_VOCABULARIES}. Shipped are: '
                f'{", ".join(SHIPPED_SCHEME + one for one in shipped) or "none"}.'
            )
        return str(directory)
    expanded = os.path.expanduser(name)
    return expanded if os.path.isdir(expanded) else name


@functools.cache
def load_tokenizer(name: str) -> Any:
    """Return the fast tokenizer of that name, loaded once per process.

    BERT's WordPiece, unless the files beside the vocabulary name another one.

    Args:
        name (str): See :func:`resolve_tokenizer_path`.

    Returns:
        A `transformers` fast tokenizer.

    Raises:
        ConfigError: It cannot be loaded; the message says how to provide it.
    """
    # One sentence at a time gains nothing from threads, and forked workers must not inherit them.
    os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')
    path = resolve_tokenizer_path(name)
    try:
        directory = path if os.path.isdir(path) else _from_hub(path)
        import transformers  # slow to import, only needed here

        if _is_bert(directory):
            tokenizer = transformers.BertTokenizerFast.from_pretrained(directory)
        else:  # never the code that a repository may bring along
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                directory, trust_remote_code=False
            )
    except Exception as error:  # hub, file and format errors of several libraries
        raise ConfigError(_not_loadable(name, f'{type(error).__name__}: {error}')) from error
    # transformers >= 5 makes a tokenizer of the special tokens alone where it finds no vocabulary
    if len(tokenizer) <= len(set(tokenizer.all_special_tokens)):
        raise ConfigError(_not_loadable(name, 'no vocabulary was found'))
    return tokenizer


def _is_bert(directory: str) -> bool:
    """Whether the files name no other tokenizer, and no other architecture, than BERT's."""
    for file, key in (('tokenizer_config.json', 'tokenizer_class'), ('config.json', 'model_type')):
        path = Path(directory) / file
        named = json.loads(path.read_text('utf-8')).get(key) if path.is_file() else None
        if named:
            return named.lower().startswith('bert')
    return True


def _from_hub(name: str) -> str:
    """Return the tokenizer's files from the hub's local cache, or else from the hub itself.

    `from_pretrained` would ask the hub about each of many files and, without network, retry each
    for minutes.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    patterns = [
        *VOCABULARY_FILES,
        'tokenizer_config.json',
        'special_tokens_map.json',
        'config.json',  # AutoTokenizer reads the architecture there
        'vocab.json',  # RoBERTa
        'merges.txt',
    ]
    try:
        cached = snapshot_download(name, allow_patterns=patterns, local_files_only=True)
        if any(os.path.isfile(os.path.join(cached, file)) for file in VOCABULARY_FILES):
            return cached
    except LocalEntryNotFoundError:
        pass  # not downloaded yet
    return snapshot_download(name, allow_patterns=patterns)


def _not_loadable(name: str, reason: str) -> str:
    return (
        f'The tokenizer "{name}" cannot be loaded ({reason}). Set the environment variable '
        'BERT_PATH to a local directory that holds bert-base-uncased (vocab.txt, config.json, '
        'weights), or get network access to the hub.'
    )


@TRANSFORMS.register_module()
class TokenizeExpression(BaseTransform):
    """Tokenizes `expression` to `[CLS] ... [SEP]`, truncated and padded on the right.

    The tokenizer is loaded at first use, or by `prepare()`, which the dataset calls before
    workers are forked; all transforms of a process share it.

    Required keys: `expression` (str; '' gives [CLS] [SEP] alone).

    Added keys: `input_ids`, `attention_mask` (1 = token, 0 = padding) and `special_tokens_mask`
    (1 = [CLS], [SEP] or padding), int64 [max_tokens] each.

    Args:
        tokenizer (str): Hub name, local directory, or `magnet_mm://<shipped vocabulary>`.
        max_tokens (int): Length in tokens, [CLS] and [SEP] included. Defaults to 20.
        keep_sep (bool): A sentence that is too long ends with [SEP] all the same. False cuts it
            after `max_tokens` tokens, [SEP] with the rest, as the released LAVT, ReLA and CARIS do
            (docs/fidelity.md); for their weights.

    Raises:
        ConfigError: `max_tokens` < 2, or the tokenizer cannot be loaded.
        DataError: The expression is no string, or holds a surrogate that is no character.

    Source: docs/train_and_evaluate.md, "The protocol": bert-base-uncased WordPiece, 20 tokens.
    """

    def __init__(self, tokenizer: str, max_tokens: int = 20, keep_sep: bool = True) -> None:
        if max_tokens < 2:
            raise ConfigError(f'max_tokens={max_tokens}: [CLS] and [SEP] alone need 2.')
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.keep_sep = keep_sep

    def prepare(self) -> None:
        """Load the tokenizer now, so that forked workers share it."""
        load_tokenizer(self.tokenizer)

    def transform(self, results: dict) -> dict:
        """Add the tokens to the results."""
        expression = results['expression']
        if not isinstance(expression, str):
            raise DataError(
                f'{_sample(results)} is {type(expression).__name__}, not a string: '
                f'{printable(repr(expression), 80)}. Correct the annotation, or pass the sentence '
                'as str.'
            )
        try:
            expression.encode('utf-8')
        except UnicodeEncodeError as error:
            raise DataError(
                f'{_sample(results)} holds half of a surrogate pair, which is no character: '
                f'{printable(expression, 80)}. Correct the annotation.'
            ) from error
        encoded = load_tokenizer(self.tokenizer)(
            expression,
            truncation=self.keep_sep,
            max_length=self.max_tokens if self.keep_sep else None,
            return_special_tokens_mask=True,
            verbose=False,  # longer than the encoder's positions; it is cut below
        )
        ids = encoded['input_ids'][: self.max_tokens]
        padding = load_tokenizer(self.tokenizer).pad_token_id  # 0 in BERT's vocabularies
        results['input_ids'] = np.full(self.max_tokens, padding, dtype=np.int64)
        results['input_ids'][: len(ids)] = ids
        results['attention_mask'] = np.zeros(self.max_tokens, dtype=np.int64)
        results['attention_mask'][: len(ids)] = 1
        results['special_tokens_mask'] = np.ones(self.max_tokens, dtype=np.int64)
        results['special_tokens_mask'][: len(ids)] = encoded['special_tokens_mask'][: len(ids)]
        return results

    def __repr__(self) -> str:
        """Class name and arguments."""
        return (
            f'{type(self).__name__}({self.tokenizer!r}, max_tokens={self.max_tokens}, '
            f'keep_sep={self.keep_sep})'
        )


def _sample(results: dict) -> str:
    """Return the sentence's place, for messages."""
    return (
        f'The expression of ref {results.get("ref_id")}, sentence {results.get("sent_id")} '
        f'({printable(results.get("img_path"), 200)})'
    )
