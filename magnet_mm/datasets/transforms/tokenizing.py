# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Turns the referring expression into token ids."""

from __future__ import annotations

from collections.abc import Mapping

from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from magnet_mm.datasets.tokenizers.interface import Tokenizer, build_tokenizer
from magnet_mm.errors import ConfigError, DataError
from magnet_mm.text_safety import printable


@TRANSFORMS.register_module()
class TokenizeExpression(BaseTransform):
    """Tokenizes `expression`: to `[CLS] ... [SEP]` padded on the right, or to plain words.

    The tokenizer is loaded at first use, or by `prepare()`, which the dataset calls before
    workers are forked; all transforms of a process share it.

    Required keys: `expression` (str; '' gives [CLS] [SEP] alone, or no token at all).

    Added keys: `input_ids`, `attention_mask` (1 = token, 0 = padding), `special_tokens_mask`
    (1 = [CLS], [SEP] or padding), int64 [max_tokens] each, and what else the tokenizer says as
    `text_*`.

    Args:
        tokenizer (str | Mapping): Name of a Hugging Face tokenizer (hub name, local directory, or
            `magnet_mm://<shipped vocabulary>`), or the config of another one, such as
            `dict(type='WordTokenizer', vocabulary=..., rule='cmpc', padding='front')`.
        max_tokens (int): Length in tokens, special ones included. Defaults to 20.
        keep_sep (bool): For a tokenizer given by its name, see
            :class:`~magnet_mm.datasets.tokenizers.HuggingFaceTokenizer`.

    Raises:
        ConfigError: `max_tokens` has no room for a word beside the special tokens, `keep_sep` is
            given beside a tokenizer's config, or the tokenizer cannot be loaded.
        DataError: The expression is no string, or holds a surrogate that is no character.

    Source: docs/train_and_evaluate.md, "The protocol": bert-base-uncased WordPiece, 20 tokens.
    """

    def __init__(
        self, tokenizer: str | Mapping, max_tokens: int = 20, keep_sep: bool = True
    ) -> None:
        named = isinstance(tokenizer, str)
        if max_tokens < (2 if named else 1):
            raise ConfigError(
                f'max_tokens={max_tokens}: '
                + ('[CLS] and [SEP] alone need 2.' if named else 'a sentence needs 1.')
            )
        if not named and not keep_sep:
            raise ConfigError('keep_sep is for a tokenizer with a [SEP], given by its name.')
        self.tokenizer = tokenizer if named else dict(tokenizer)
        self.max_tokens = max_tokens
        self.keep_sep = keep_sep

    @property
    def loaded(self) -> Tokenizer:
        """The tokenizer itself; it is no part of the transform's state, so it is not pickled."""
        if isinstance(self.tokenizer, str):
            return build_tokenizer(
                dict(type='HuggingFaceTokenizer', name=self.tokenizer, keep_sep=self.keep_sep)
            )
        return build_tokenizer(self.tokenizer)

    def prepare(self) -> None:
        """Load the tokenizer now, so that forked workers share it."""
        _ = self.loaded

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
        results.update(self.loaded.encode(expression, self.max_tokens))
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
