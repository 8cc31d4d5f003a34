# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Turns a test pipeline into one that yields every image at several sizes."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

from magnet_mm.config_types import type_name
from magnet_mm.errors import ConfigError

GRID = 16
"""Scaled sides are rounded to multiples of this many pixels (our choice)."""


def multi_scale_pipeline(pipeline: Sequence[dict], scales: Sequence[float]) -> list[dict]:
    """Repeat the pipeline's ``Resize`` at several scales, by mmcv's ``TestTimeAug``.

    Every variant is resized from the original image. The sentence, its tokens and everything else
    stay as they are. Horizontal flips are no option: they would make "left" mean "right".

    Args:
        pipeline: A test pipeline with exactly one ``Resize``, of a fixed ``scale``.
        scales: Factors of that scale. 1 always comes first, since its mask is the one scored
            (:class:`~magnet_mm.models.segmentors.tta_model.ReferringTTAModel`).

    Returns:
        A pipeline whose items hold one list entry per scale.

    Raises:
        ConfigError: If the scales do not contain 1 or are not positive, or the pipeline has not
            one ``Resize`` with a scale.
    """
    if 1 not in scales or min(scales) <= 0:
        raise ConfigError(
            f'tta_scales={tuple(scales)}: use positive factors, with 1 (the size that is scored) '
            'among them, for example (1, 0.8, 1.2).'
        )
    resizes = [i for i, step in enumerate(pipeline) if type_name(step) == 'Resize']
    if len(resizes) != 1 or pipeline[resizes[0]].get('scale') is None:
        raise ConfigError(
            f'The test pipeline has {len(resizes)} Resize steps; --tta needs one with a fixed '
            '`scale` to vary. For another pipeline, write a tta_pipeline yourself.'
        )
    (place,) = resizes
    ordered = [1, *(scale for scale in scales if scale != 1)]
    variants = [_scaled(pipeline[place], scale) for scale in ordered]
    rest = [[copy.deepcopy(step)] for step in pipeline[place + 1 :]]
    augmentation = dict(type='TestTimeAug', transforms=[variants, *rest])
    return [*copy.deepcopy(list(pipeline[:place])), augmentation]


def _scaled(resize: dict, scale: float) -> dict[str, Any]:
    if scale == 1:
        return copy.deepcopy(resize)
    size = resize['scale']
    sides = (size, size) if isinstance(size, int) else size
    return dict(
        copy.deepcopy(resize),
        scale=tuple(max(GRID, GRID * math.floor(scale * side / GRID + 0.5)) for side in sides),
    )
