# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Pictures of what a data pipeline yields: image, mask, sentence and tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from magnet_mm.datasets.transforms.tokenizing import TokenizeExpression
from magnet_mm.errors import ConfigError
from magnet_mm.visualization.panels import GAP, draw_panels, printable, text_bar

_TOKEN_SIZE = 14


@dataclass(frozen=True)
class TokenizedSentence:
    """The tokens that the model is given.

    Attributes:
        tokens: tokens without the padding, ``[CLS]`` and ``[SEP]`` included.
        room: Number of tokens with the padding.
        whole: Number of tokens of the whole sentence; more than ``len(tokens)`` if it was cut off.
        unknown: Number of those that are not in the vocabulary.
    """

    tokens: tuple[str, ...]
    room: int
    whole: int
    unknown: int

    def describe(self) -> str:
        """One line with the tokens and what is wrong with them."""
        parts = [f'{" ".join(self.tokens)}   ({len(self.tokens)} of {self.room} tokens']
        if self.whole > len(self.tokens):
            parts.append(f'cut off: the sentence has {self.whole}')
        if self.unknown:
            parts.append(f'{self.unknown} not in the vocabulary')
        return printable(', '.join(parts) + ')')


def find_tokenizing(dataset: Any) -> TokenizeExpression:
    """Return the ``TokenizeExpression`` of a dataset's pipeline, or of the first one inside it.

    Raises:
        ConfigError: If there is none.
    """
    for part in _datasets_in(dataset):
        for transform in getattr(getattr(part, 'pipeline', None), 'transforms', ()):
            if isinstance(transform, TokenizeExpression):
                return transform
    raise ConfigError('The pipeline of the dataset has no TokenizeExpression; add one.')


def read_tokens(item: dict, tokenizing: TokenizeExpression) -> TokenizedSentence:
    """Return the tokens of a packed item (``PackReferringInputs``)."""
    sample = item['data_samples']
    tokenizer = tokenizing.loaded
    ids = sample.input_ids[sample.attention_mask.bool()].tolist()
    return TokenizedSentence(
        tokens=tuple(tokenizer.tokens(ids)),
        room=len(sample.input_ids),
        whole=tokenizer.count(sample.expression),
        unknown=ids.count(tokenizer.unknown_token_id),
    )


def draw_pipeline_item(item: dict, sentence: TokenizedSentence) -> np.ndarray:
    """Draw a packed item: sentence, image and mask as the model gets them, tokens.

    Args:
        item: ``inputs`` (uint8 tensor [3, H, W], BGR) and ``data_samples`` with ``gt_sem_seg``.
        sentence: Its tokens.

    Returns:
        RGB uint8 [H', W', 3].
    """
    sample = item['data_samples']
    image = item['inputs'].numpy()[::-1].transpose(1, 2, 0)
    drawn = draw_panels(
        np.ascontiguousarray(image),
        expression=sample.expression,
        ground_truth=sample.gt_sem_seg.data[0].numpy() if 'gt_sem_seg' in sample else None,
    )
    space = np.full((GAP // 2, drawn.shape[1], 3), 255, dtype=np.uint8)
    return np.concatenate(
        [drawn, space, text_bar(sentence.describe(), drawn.shape[1], _TOKEN_SIZE)]
    )


def _datasets_in(dataset: Any) -> Iterator[Any]:
    yield dataset
    inner = list(getattr(dataset, 'datasets', None) or [])
    inner += [getattr(dataset, name) for name in ('dataset', '_dataset') if hasattr(dataset, name)]
    for part in inner:
        yield from _datasets_in(part)
