# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""How the systems' released codes make masks of logits and score them, one function per system.

``ReferringMetric(rule='vlt')`` scores by such a rule, to compare with a published number; the
standard rule stays the default, and is what systems are compared by. Sources, each from the
released code [C]: docs/methods/vlt.md, docs/methods/cris.md, docs/methods/efn.md,
docs/methods/cmpc.md, docs/methods/lavt.md and docs/methods/rela.md; and PhraseCut's own evaluation
(docs/data.md).

A rule reads a predicted sample: ``head_logits`` (the head's own, ``[C, h, w]``), ``seg_logits`` (at
input resolution, ``[C, H, W]``), ``foreground`` and the record of its geometry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from magnet_mm.errors import DataError
from magnet_mm.evaluation.foreground import ForegroundRule
from magnet_mm.evaluation.geometry import original_foreground, to_original, without_padding
from magnet_mm.evaluation.scores import STANDARD, Scoring

Sample = Mapping[str, Any]


@dataclass(frozen=True)
class ReleasedRule:
    """One system's test code.

    Attributes:
        mask: predicted sample to its mask, bool ``[H, W]`` at ``resolution``.
        resolution: ``input`` or ``original``, where it is compared with the ground truth.
        scoring: IoU of an item and which levels P@X counts.
        from_mask: whether the mask at the input says all that ``mask`` needs, so that masks of
            other programs can be scored by the rule.
    """

    mask: Callable[[Sample], Tensor]
    resolution: str
    scoring: Scoring = STANDARD
    from_mask: bool = True


def vlt_mask(sample: Sample) -> Tensor:
    """Probabilities, bilinear to the input and to the original image, above 0.35.

    OpenCV's bilinear resizing is that of ``align_corners=False``.
    """
    probabilities = _head_foreground(sample).sigmoid()
    probabilities = F.interpolate(
        probabilities[None, None], _input_size(sample), mode='bilinear', align_corners=False
    )[0, 0]
    return to_original(probabilities, sample, align_corners=False) > 0.35


def cris_mask(sample: Sample) -> Tensor:
    """Probabilities, bicubic (corners aligned) to the input, warped back by cubic, above 0.35.

    The warp is the inverse of the one that made the input: a centred box, without the half pixel
    that resizing has; the scale is not rounded to whole pixels.
    """
    probabilities = F.interpolate(
        _head_foreground(sample).sigmoid()[None, None],
        _input_size(sample),
        mode='bicubic',
        align_corners=True,
    )[0, 0]
    probabilities = without_padding(probabilities, sample)
    box_height, box_width = probabilities.shape
    height, width = _original_size(sample)
    scale = min(box_height / height, box_width / width)
    left, top = (box_width - scale * width) / 2, (box_height - scale * height) / 2
    back = np.array([[1 / scale, 0, -left / scale], [0, 1 / scale, -top / scale]])
    warped = cv2.warpAffine(
        probabilities.cpu().numpy(), back, (width, height), flags=cv2.INTER_CUBIC, borderValue=0.0
    )
    return torch.from_numpy(warped > 0.35).to(probabilities.device)


def efn_mask(sample: Sample) -> Tensor:
    """Logits above 1e-9 at the input; that map resized bilinearly, every pixel that is not zero.

    This dilates masks by up to one input pixel.
    """
    chosen = (_input_foreground(sample) > 1e-9).float()
    return to_original(chosen, sample, align_corners=False) > 0


def cmpc_mask(sample: Sample) -> Tensor:
    """Logits of at least 1e-9 at the input, enlarged whole, cropped in the middle, not zero.

    The released code enlarges the padded map and then crops, so that padding may reach the border.
    LSCM's is the same; for their published numbers both run DenseCRF before it (DenseCRFSegmentor).
    """
    chosen = (without_padding(_input_foreground(sample), sample) >= 1e-9).float()
    box_height, box_width = chosen.shape
    height, width = _original_size(sample)
    scale = max(height / box_height, width / box_width)
    # The longer side fits by definition, the shorter one after rounding up (our choice).
    size = max(round(box_height * scale), height), max(round(box_width * scale), width)
    enlarged = F.interpolate(chosen[None, None], size, mode='bilinear', align_corners=False)[0, 0]
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return enlarged[top : top + height, left : left + width] > 0


def lavt_mask(sample: Sample) -> Tensor:
    """Return the mask at the input, as the segmentor made it (argmax); the standard rule too."""
    return sample['pred_sem_seg']['data'][0].bool()


def rela_mask(sample: Sample) -> Tensor:
    """Return the mask at the input, also where "no target" is predicted.

    ``ReferringMetric`` then counts no intersection, and the ignored mask still in the union.
    """
    rule = ForegroundRule.of(sample, sample['seg_logits']['data'].shape[0])
    return rule.mask(without_padding(_input_foreground(sample), sample))


def phrasecut_mask(sample: Sample) -> Tensor:
    """Return the standard mask at the original image's size, at which PhraseCut is scored."""
    original, rule = original_foreground(sample['seg_logits']['data'], sample)
    return rule.mask(original)


_STRICT_TWENTIETHS = tuple(range(50, 100, 5))

RELEASED_RULES = {
    'vlt': ReleasedRule(
        vlt_mask,
        'original',
        Scoring(_STRICT_TWENTIETHS, strict=True, smoothing=(1e-10, 1e-10)),
        from_mask=False,
    ),
    'cris': ReleasedRule(
        cris_mask, 'original', Scoring(strict=True, smoothing=(0, 1e-6)), from_mask=False
    ),
    'efn': ReleasedRule(efn_mask, 'original'),
    'cmpc': ReleasedRule(cmpc_mask, 'original'),
    'lscm': ReleasedRule(cmpc_mask, 'original'),
    'lavt': ReleasedRule(lavt_mask, 'input'),
    'rela': ReleasedRule(rela_mask, 'input'),
    # a benchmark's: accuracy at IoU > 0.3, 0.5, 0.7, 0.9; its cumulative IoU is oIoU
    'phrasecut': ReleasedRule(phrasecut_mask, 'original', Scoring((30, 50, 70, 90), strict=True)),
}


def _head_foreground(sample: Sample) -> Tensor:
    """Foreground logits ``[h, w]`` at the head's own stride."""
    if 'head_logits' not in sample:
        raise DataError(
            'The sample has no head_logits, which this released rule resizes itself; test with '
            'ReferringSegmentor and without --tta.'
        )
    return _foreground(sample, 'head_logits')


def _input_foreground(sample: Sample) -> Tensor:
    """Foreground logits ``[H, W]`` at input resolution."""
    return _foreground(sample, 'seg_logits')


def _foreground(sample: Sample, field: str) -> Tensor:
    logits = sample[field]['data'].float()
    return ForegroundRule.of(sample, logits.shape[0]).foreground(logits)


def _input_size(sample: Sample) -> tuple[int, int]:
    """Size of the network's input, padding included."""
    left, right, top, bottom = sample.get('img_padding_size', (0, 0, 0, 0))
    height, width = sample['img_shape'][:2]
    return height + top + bottom, width + left + right


def _original_size(sample: Sample) -> tuple[int, int]:
    height, width = sample['ori_shape'][:2]
    return height, width
