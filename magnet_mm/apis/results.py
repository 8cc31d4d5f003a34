# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What the inferencer returns, and how it comes out of the model's logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmseg.structures import SegDataSample
from torch import Tensor

from magnet_mm.errors import ConfigError, DataError
from magnet_mm.evaluation import encode_mask
from magnet_mm.evaluation.foreground import ForegroundRule
from magnet_mm.evaluation.geometry import original_foreground

#: Note of a result whose model says that nothing is meant.
NOTHING_MATCHES = 'nothing in this picture matches'


@dataclass
class ReferringResult:
    """What a sentence refers to in an image.

    Attributes:
        image_name: The file's name, or ``image_<position>``.
        image_path: The path or address, or None for an image handed in.
        expression: The sentence.
        mask: bool [H, W] at the size of the image.
        score: The mean foreground probability over the mask, or 0 for an empty mask.
        no_target: The model says that nothing in the image is meant; the mask is then empty.
        notes: What the model could not read of the sentence, and that nothing matches it.
        probability: float32 [H, W] of 0 to 1, the foreground probability; None unless asked for.
        picture: RGB uint8 [h, w, 3], image and mask under the sentence; None unless asked for.
    """

    image_name: str
    image_path: str | None
    expression: str
    mask: np.ndarray
    score: float
    no_target: bool = False
    notes: tuple[str, ...] = ()
    probability: np.ndarray | None = None
    picture: np.ndarray | None = None

    @property
    def area(self) -> int:
        """Pixels of the mask."""
        return int(np.count_nonzero(self.mask))

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON; the mask as COCO compressed RLE ``{'size': [H, W], 'counts'}``."""
        return dict(
            image=self.image_path or self.image_name,
            expression=self.expression,
            score=self.score,
            area=self.area,
            no_target=self.no_target,
            notes=list(self.notes),
            mask=encode_mask(self.mask),
        )


def foreground_logits(sample: SegDataSample) -> tuple[Tensor, ForegroundRule]:
    """Foreground logits of a predicted sample at its image's size, float32 [H, W], and the rule.

    They are those of ``ReferringMetric(resolution='original')``: same rule, same way back.

    Args:
        sample: With ``seg_logits`` [C, h, w], ``foreground`` and a record of its geometry.

    Raises:
        DataError: If a logit is not finite, or the geometry is not known.
    """
    logits = sample.seg_logits.data.float()
    if not torch.isfinite(logits).all():
        raise DataError(
            f'{sample.get("img_path")}, "{sample.expression}": the logits hold NaN or infinity. '
            'The weights are of a training that diverged; use an earlier checkpoint.'
        )
    try:
        return original_foreground(logits, sample.metainfo)
    except ConfigError as error:
        raise DataError(f'{sample.get("img_path")}, "{sample.expression}": {error}') from error


def make_result(
    sample: SegDataSample, image_name: str, notes: Sequence[str] = (), **fields: Any
) -> ReferringResult:
    """Make the result of a predicted sample, its probability map included.

    Args:
        sample: See :func:`foreground_logits`; with ``expression`` and ``img_path``.
        image_name: The image's name.
        notes: What the model could not read of the sentence.
        **fields: Other fields of the result.
    """
    logits, rule = foreground_logits(sample)
    no_target = 'pred_no_target' in sample and bool(sample.pred_no_target)
    mask = (rule.mask(logits) & (not no_target)).cpu().numpy()
    probability = logits.sigmoid().cpu().numpy()
    score = float(probability[mask].mean(dtype=np.float64)) if mask.any() else 0.0
    return ReferringResult(
        image_name=image_name,
        image_path=sample.get('img_path'),
        expression=sample.expression,
        mask=mask,
        score=score,
        no_target=no_target,
        notes=(*notes, NOTHING_MATCHES) if no_target else tuple(notes),
        probability=probability,
        **fields,
    )
