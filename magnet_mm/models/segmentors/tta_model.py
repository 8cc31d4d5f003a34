# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Test-time augmentation: the mean of the probabilities at several input sizes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseTTAModel
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from magnet_mm.errors import DataError


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
            (C = 1) or their logarithms (C = 2), ``pred_sem_seg`` the mask, uint8 ``[1, H, W]``.

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
    size = merged.seg_logits.data.shape[1:]
    mean = sum(_probabilities(sample.seg_logits.data, size) for sample in variants) / len(variants)
    if mean.shape[0] == 1:
        mask = mean > 0.5
        logits = torch.logit(mean)
    else:
        mask = mean.argmax(dim=0, keepdim=True)
        logits = mean.log()
    merged.seg_logits = PixelData(data=logits.clamp(-100, 100).float())  # finite where p is 0 or 1
    merged.pred_sem_seg = PixelData(data=mask.byte())
    return merged


def _probabilities(logits: Tensor, size: Sequence[int]) -> Tensor:
    """Probabilities ``[C, *size]``, double: single precision rounds small logits to one half."""
    logits = logits.double()
    probabilities = logits.sigmoid() if logits.shape[0] == 1 else logits.softmax(dim=0)
    probabilities = probabilities + 0 * logits  # NaN for infinite logits: the metric refuses them
    if probabilities.shape[1:] == size:
        return probabilities
    return F.interpolate(probabilities[None], size, mode='bilinear', align_corners=True)[0]
