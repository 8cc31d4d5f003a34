# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Hugging Face's tokenizers: BERT's WordPiece, or another encoder's."""

from __future__ import annotations

import copy
import functools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from magnet_mm.datasets.tokenizers.interface import TOKENIZERS, Tokenizer
from magnet_mm.datasets.tokenizers.vocabulary_files import resolve_tokenizer_path
from magnet_mm.errors import ConfigError

VOCABULARY_FILES = ('vocab.txt', 'tokenizer.json')


@TOKENIZERS.register_module()
class HuggingFaceTokenizer(Tokenizer):
    """A `transformers` fast tokenizer, padded on the right.

    Args:
        name (str): Hub name, local directory, or `magnet_mm://<shipped vocabulary>`.
        keep_sep (bool): A sentence that is too long ends with [SEP] all the same. False cuts it
            after `max_tokens` tokens, [SEP] with the rest, as the released LAVT, ReLA and CARIS do
            (docs/fidelity.md); for their weights.
        pad_token_id (int, optional): Id of the padding; None takes the tokenizer's own. CRIS pads
            CLIP's tokens with 0 (docs/methods/cris.md).

    Raises:
        ConfigError: It cannot be loaded; the message says how to provide it.
    """

    def __init__(self, name: str, keep_sep: bool = True, pad_token_id: int | None = None) -> None:
        self.name = name
        self.keep_sep = keep_sep
        self._tokenizer = load_tokenizer(name)
        self.vocabulary_size = len(self._tokenizer)
        own = self._tokenizer.pad_token_id  # 0 in BERT's vocabularies
        self.pad_token_id = own if pad_token_id is None else pad_token_id
        self.unknown_token_id = self._tokenizer.unk_token_id
        self.fewest_tokens = self._tokenizer.num_special_tokens_to_add()

    def encode(self, expression: str, max_tokens: int) -> dict[str, np.ndarray]:
        """Encode as the tokenizer does: `[CLS] ... [SEP]` for BERT."""
        encoded = self._tokenizer(
            expression,
            truncation=self.keep_sep,
            max_length=max_tokens if self.keep_sep else None,
            return_special_tokens_mask=True,
            verbose=False,  # longer than the encoder's positions; it is cut below
        )
        ids = encoded['input_ids'][:max_tokens]
        input_ids = np.full(max_tokens, self.pad_token_id, dtype=np.int64)
        input_ids[: len(ids)] = ids
        attention_mask = np.zeros(max_tokens, dtype=np.int64)
        attention_mask[: len(ids)] = 1
        special = np.ones(max_tokens, dtype=np.int64)
        special[: len(ids)] = encoded['special_tokens_mask'][: len(ids)]
        return dict(input_ids=input_ids, attention_mask=attention_mask, special_tokens_mask=special)

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the tokens of ids."""
        return self._tokenizer.convert_ids_to_tokens(list(ids))

    def count(self, expression: str) -> int:
        """Count the tokens of the whole sentence, special ones included."""
        return len(self._tokenizer(expression, verbose=False)['input_ids'])

    def unknown(self, expression: str) -> list[str]:
        """Return the pieces that became the unknown token."""
        encoded = self._offsets(expression)
        pieces = zip(encoded['input_ids'], encoded['offset_mapping'], strict=True)
        found = [expression[a:b] for token, (a, b) in pieces if token == self.unknown_token_id]
        return list(dict.fromkeys(found))

    def unread(self, expression: str, max_tokens: int) -> tuple[int, str]:
        """Return how many tokens are read beside the special ones, and the text behind them."""
        encoded = self._offsets(expression)
        if len(encoded['input_ids']) <= max_tokens:
            return len(encoded['input_ids']) - self.fewest_tokens, ''
        last = max_tokens - 1 if self.keep_sep else max_tokens
        special = encoded.encodings[0].special_tokens_mask
        unread = '' if special[last] else expression[encoded['offset_mapping'][last][0] :]
        return last - sum(special[:last]), unread

    def add_words(self, words: Sequence[str], folder: str | os.PathLike) -> str:
        """Write the tokenizer's files with more whole words; returns the folder.

        A tokenizer that lower-cases sentences gets the words in lower case.
        """
        from transformers import AddedToken

        more = copy.deepcopy(self._tokenizer)
        normalizer = more.backend_tokenizer.normalizer
        if normalizer is not None:
            words = [normalizer.normalize_str(word) for word in words]
        more.add_tokens([AddedToken(word, single_word=True) for word in dict.fromkeys(words)])
        more.save_pretrained(str(folder))
        return str(folder)

    def save(self, path: str | os.PathLike, max_tokens: int) -> None:
        """Write a file of the `tokenizers` library.

        It is set to `max_tokens` ids: a published file carries whatever padding and truncation its
        last user had set.
        """
        backend = self._tokenizer.backend_tokenizer
        fitted = type(backend).from_str(backend.to_str())
        if self.keep_sep:
            fitted.enable_truncation(max_tokens, direction=self._tokenizer.truncation_side)
        else:  # its user cuts the ids, [SEP] with the rest
            fitted.no_truncation()
        fitted.enable_padding(
            length=max_tokens,
            direction='right',
            pad_id=self.pad_token_id,
            pad_token=self._tokenizer.pad_token,
        )
        fitted.save(str(path))

    def save_files(self, folder: str | os.PathLike) -> dict[str, Any]:
        """Write transformers' own files."""
        self._tokenizer.save_pretrained(folder)
        return dict(
            type=type(self).__name__,
            name=os.fspath(folder),
            keep_sep=self.keep_sep,
            pad_token_id=self.pad_token_id,
        )

    def _offsets(self, expression: str) -> Any:
        return self._tokenizer(expression, return_offsets_mapping=True, verbose=False)


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
