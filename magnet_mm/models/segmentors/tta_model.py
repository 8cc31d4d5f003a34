# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Test-time augmentation: the mean of the probabilities at several input sizes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseTTAModel
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from magnet_mm.errors import DataError
from magnet_mm.evaluation.foreground import ForegroundRule
from magnet_mm.evaluation.geometry import to_other_input


@MODELS.register_module()
class ReferringTTAModel(BaseTTAModel):
    """Averages the foreground probability of all variants of an image at the first one's size.

    The first variant is the input of the ordinary test: its size, its ground truth and its
    metainfo are those that are scored, so a score with augmentation is measured on the same pixels
    as one without. Probabilities of the other sizes are resized to it (bilinear,
    ``align_corners=True`` as the segmentor's own upsampling). With one variant the masks are those
    of the plain model. mmseg's ``SegTTAModel`` averages without resizing, since mmseg predicts at
    the original size. Source: our choice; no RIS paper prescribes an augmentation.
    """

    def merge_preds(
        self, data_samples_list: Sequence[Sequence[SegDataSample]]
    ) -> list[SegDataSample]:
        """Merge the variants' predictions.

        Args:
            data_samples_list: For each image the predictions of its variants, with ``seg_logits``
                ``[C, H_k, W_k]``.

        Returns:
            The first variant's samples; ``seg_logits`` holds logits of the averaged probabilities
            (C = 2: 0 for the background), ``pred_sem_seg`` the mask, uint8 ``[1, H, W]``.

        Raises:
            DataError: If the variants of an image do not carry the same sentence.
        """
        return [_merge(variants) for variants in data_samples_list]


def _merge(variants: Sequence[SegDataSample]) -> SegDataSample:
    merged = variants[0]
    if any(sample.get('expression') != merged.get('expression') for sample in variants):
        raise DataError(
            f'The augmented variants of {merged.get("img_path")} carry different sentences: the '
            'test-time augmentation of a referring model must not touch the sentence.'
        )
    rule = ForegroundRule.of(merged, merged.seg_logits.data.shape[0])
    mean = sum(_probability(sample, merged, rule) for sample in variants) / len(variants)
    logits = torch.logit(mean)
    absent = [sample.pred_no_target for sample in variants if 'pred_no_target' in sample]
    if absent:  # most of the variants, as the mean of their answers
        merged.set_field(
            (torch.stack(absent).double().mean() > 0.5).byte(), 'pred_no_target', dtype=Tensor
        )
        mask = rule.mask(logits) & ~merged.pred_no_target.bool()
    else:
        mask = rule.mask(logits)
    logits = logits.clamp(-100, 100).float()  # finite where the probability is 0 or 1
    if rule.channels == 2:
        logits = torch.stack([torch.zeros_like(logits), logits])
    merged.seg_logits = PixelData(data=logits if logits.ndim == 3 else logits[None])
    merged.pred_sem_seg = PixelData(data=mask.byte()[None])
    return merged


def _probability(sample: SegDataSample, target: SegDataSample, rule: ForegroundRule) -> Tensor:
    """Foreground probability at the target's input; double, since float32 rounds small logits."""
    logits = rule.foreground(sample.seg_logits.data.double())
    probability = logits.sigmoid() + 0 * logits  # NaN for infinite logits: the metric refuses them
    return to_other_input(
        probability, sample.metainfo, target.metainfo, fill=0.0, align_corners=rule.align_corners
    )
