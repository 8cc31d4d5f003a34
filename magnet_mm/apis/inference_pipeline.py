# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A config's own test pipeline, for an image and sentences without annotation."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from mmengine.config import ConfigDict
from mmengine.dataset import Compose

from magnet_mm.config_types import type_name
from magnet_mm.datasets.tokenizers import Tokenizer
from magnet_mm.errors import ConfigError


class InferencePipeline:
    """The steps of a test pipeline, split where the sentence comes in.

    The steps that load image and annotation (``Load...``) are left out: the image is handed in.
    Those before ``TokenizeExpression`` run once per image, the others once per sentence.

    Args:
        cfg: A config with ``test_dataloader.dataset.pipeline``.

    Attributes:
        steps: The configs of the steps that are kept.
        tokenizer: The tokenizer.
        max_tokens: Tokens that the model reads.

    Raises:
        ConfigError: If there is no such pipeline, or it does not tokenize.
    """

    def __init__(self, cfg: ConfigDict) -> None:
        steps = [step for step in _test_pipeline(cfg) if not type_name(step).startswith('Load')]
        types = [type_name(step) for step in steps]
        if 'TokenizeExpression' not in types:
            raise ConfigError(
                f'The test pipeline ({", ".join(types)}) has no TokenizeExpression, so the model '
                'would never see the sentence. Use a config of a referring model.'
            )
        self.steps = steps
        first = types.index('TokenizeExpression')
        self.image_steps = Compose(steps[:first])
        self.sentence_steps = Compose(steps[first:])
        tokenize = self.sentence_steps.transforms[0]
        self.tokenizer, self.max_tokens = tokenize.loaded, tokenize.max_tokens

    def __call__(
        self, image: np.ndarray, expressions: tuple[str, ...], **metainfo: Any
    ) -> Iterator[dict]:
        """Yield the model's input for each sentence.

        Args:
            image: BGR uint8 [H, W, 3].
            expressions: The sentences.
            **metainfo: What the data samples carry besides, such as ``img_path``.
        """
        size = image.shape[:2]
        prepared = self.image_steps(
            dict(metainfo, img=image, ori_shape=size, img_shape=size, seg_fields=[])
        )
        for number, expression in enumerate(expressions):
            yield self.sentence_steps(dict(prepared, expression=expression, sent_id=number))

    def notes(self, expression: str) -> tuple[str, ...]:
        """List what the model cannot read of a sentence: words cut off, words it does not know."""
        return _notes(self.tokenizer, self.max_tokens, expression)


@lru_cache(maxsize=1024)
def _notes(tokenizer: Tokenizer, max_tokens: int, expression: str) -> tuple[str, ...]:
    notes = []
    read, unread = tokenizer.unread(expression, max_tokens)
    if unread:
        notes.append(f'only the first {read} tokens are read; cut off from "{unread[:30]}"')
    unknown = tokenizer.unknown(expression)
    if unknown:
        words = ', '.join(f'"{word[:30]}"' for word in unknown[:5])
        notes.append(f'not in the vocabulary of the model: {words}')
    return tuple(notes)


def _test_pipeline(cfg: ConfigDict) -> list[dict]:
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    while 'pipeline' not in dataset and ('dataset' in dataset or dataset.get('datasets')):
        dataset = dataset['dataset'] if 'dataset' in dataset else dataset['datasets'][0]
    if not dataset.get('pipeline'):
        raise ConfigError(
            'The config has no test_dataloader.dataset.pipeline, which says how images and '
            'sentences are prepared. Inherit one of configs/_base_/datasets.'
        )
    return list(dataset['pipeline'])
