# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What the inferencer returns, and how it comes out of the model's logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmseg.structures import SegDataSample
from torch import Tensor

from magnet_mm.errors import DataError
from magnet_mm.evaluation import encode_mask


@dataclass
class ReferringResult:
    """What a sentence refers to in an image.

    Attributes:
        image_name: The file's name, or ``image_<position>``.
        image_path: The path or address, or None for an image handed in.
        expression: The sentence.
        mask: bool [H, W] at the size of the image.
        score: The mean foreground probability over the mask, 0.5 to 1, or 0 for an empty mask.
        notes: What the model could not read of the sentence.
        probability: float32 [H, W] of 0 to 1, the foreground probability; None unless asked for.
        picture: RGB uint8 [h, w, 3], image and mask under the sentence; None unless asked for.
    """

    image_name: str
    image_path: str | None
    expression: str
    mask: np.ndarray
    score: float
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
            notes=list(self.notes),
            mask=encode_mask(self.mask),
        )


def foreground_logits(sample: SegDataSample) -> Tensor:
    """Return the foreground logits of a predicted sample at its image's size, float32 [H, W].

    Resized bilinearly, as ``ReferringMetric(resolution='original')`` does. Above 0 is foreground;
    their sigmoid is the foreground probability, also where the model has two channels.

    Args:
        sample: With ``seg_logits`` [1 or 2, h, w] and ``ori_shape``.

    Raises:
        DataError: If there are not one or two channels, or a logit is not finite.
    """
    logits = sample.seg_logits.data.float()
    where = f'{sample.get("img_path")}, "{sample.expression}"'
    if logits.shape[0] not in (1, 2):
        raise DataError(f'{where}: the logits have {logits.shape[0]} channels, not 1 or 2.')
    if not torch.isfinite(logits).all():
        raise DataError(
            f'{where}: the logits hold NaN or infinity. The weights are of a training that '
            'diverged; use an earlier checkpoint.'
        )
    left, right, top, bottom = sample.get('img_padding_size', (0, 0, 0, 0))
    logits = logits[:, top : logits.shape[1] - bottom, left : logits.shape[2] - right]
    foreground = logits[0] if logits.shape[0] == 1 else logits[1] - logits[0]
    size = tuple(sample.ori_shape[:2])
    return F.interpolate(foreground[None, None], size, mode='bilinear', align_corners=True)[0, 0]


def make_result(sample: SegDataSample, image_name: str, **fields: Any) -> ReferringResult:
    """Return the result of a predicted sample, its probability map included.

    Args:
        sample: See :func:`foreground_logits`; with ``expression`` and ``img_path``.
        image_name: The image's name.
        **fields: Other fields of the result.
    """
    logits = foreground_logits(sample).cpu()
    mask, probability = (logits > 0).numpy(), logits.sigmoid().numpy()
    score = float(probability[mask].mean(dtype=np.float64)) if mask.any() else 0.0
    return ReferringResult(
        image_name=image_name,
        image_path=sample.get('img_path'),
        expression=sample.expression,
        mask=mask,
        score=score,
        probability=probability,
        **fields,
    )
