# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""mmseg's ways to segment a picture have no place for a sentence; here they say so.

``MMSegInferencer`` and ``inference_model`` read the test pipeline of a config. With one of ours
they fail deep inside, with words that help nobody, and before anything of this package is called.
mmseg has no hook there, so the two functions are wrapped when the package is imported; for configs
without sentences they do what they did.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from mmseg.apis import MMSegInferencer, inference

from magnet_mm.config_types import type_name
from magnet_mm.errors import ConfigError


def refuse_sentences(config: Any, entry: str) -> None:
    """Raise :class:`ConfigError` if the config's test pipeline reads sentences."""
    dataset = ((config or {}).get('test_dataloader') or {}).get('dataset') or {}
    steps = [type_name(step) for step in dataset.get('pipeline') or () if isinstance(step, dict)]
    if 'TokenizeExpression' in steps:
        raise ConfigError(
            f'{entry} gives the model a picture alone; this config also wants a sentence. Use '
            'magnet_mm.apis.ReferringSegInferencer(config, weights)(image, sentence), or '
            'magnet-mm infer IMAGE SENTENCE --config CONFIG --weights FILE (docs/inference.md).'
        )


def _wrap(function: Callable, config_of: Callable[..., Any], entry: str) -> Callable:
    if getattr(function, 'refuses_sentences', False):
        return function

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        refuse_sentences(config_of(*args, **kwargs), entry)
        return function(*args, **kwargs)

    checked.refuses_sentences = True
    return checked


def install() -> None:
    """Wrap mmseg's two functions; once."""
    MMSegInferencer._init_pipeline = _wrap(
        MMSegInferencer._init_pipeline, lambda self, cfg: cfg, 'MMSegInferencer'
    )
    inference._preprare_data = _wrap(
        inference._preprare_data,
        lambda imgs, model: model.cfg,
        'mmseg.apis.inference_model',
    )


install()
