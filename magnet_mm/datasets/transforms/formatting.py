# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Packs a referring sample into model inputs and a `SegDataSample`."""

from __future__ import annotations

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData
from mmseg.registry import TRANSFORMS
from mmseg.structures import SegDataSample

from magnet_mm.datasets.annotations.masks import check_binary

TOKENS = ('input_ids', 'attention_mask', 'special_tokens_mask')
META_KEYS = (
    'img_path',
    'img_id',
    'ori_shape',
    'img_shape',
    'letterbox',
    'scale_factor',
    'expression',
    'ref_id',
    'sent_id',
    'kind',
    'sample_idx',
    'dataset_name',
    'split',
    'gt_rle',
    'no_target',
)


@TRANSFORMS.register_module()
class PackReferringInputs(BaseTransform):
    """Packs image, tokens and mask.

    Required keys: `img` ([H, W, 3], BGR, uint8 or float32), `input_ids`, `attention_mask`,
    `special_tokens_mask` (int64 [T]). Optional keys: `text_*` (arrays: what else the tokenizer
    says), `gt_seg_map` (uint8 [H, W], 0/1), `gt_soft_seg_map` (float32 [H, W], 0..1) and the
    metainfo keys (a plain image and sentence, as an inferencer gives, has no annotation).

    Returns a dict of `inputs` (tensor [3, H, W]) and `data_samples` (`SegDataSample` with the
    tokens as data fields, `gt_sem_seg` (uint8 [1, H, W]), `gt_soft_seg` (float32
    [1, H, W]) where there is one, and the metainfo). Tokens are data fields
    since metainfo does not move between devices.

    Args:
        meta_keys (tuple[str, ...]): Keys that become metainfo where present.

    Raises:
        DataError: The mask has another label than 0 and 1.

    Source: our choice.
    """

    def __init__(self, meta_keys: tuple[str, ...] = META_KEYS) -> None:
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        """Packs the results."""
        image = np.ascontiguousarray(results['img'].transpose(2, 0, 1))
        sample = SegDataSample(
            metainfo={key: results[key] for key in self.meta_keys if key in results}
        )
        for key in results:
            if key in TOKENS or key.startswith('text_'):
                sample.set_field(torch.from_numpy(results[key]), key, dtype=torch.Tensor)
        if 'gt_seg_map' in results:
            check_binary(results['gt_seg_map'], f'{results.get("img_path")}, gt_seg_map')
            mask = np.ascontiguousarray(results['gt_seg_map'][None], dtype=np.uint8)
            sample.gt_sem_seg = PixelData(data=torch.from_numpy(mask))
        if 'gt_soft_seg_map' in results:
            soft = np.ascontiguousarray(results['gt_soft_seg_map'][None], dtype=np.float32)
            sample.gt_soft_seg = PixelData(data=torch.from_numpy(soft))
        return dict(inputs=torch.from_numpy(image), data_samples=sample)

    def __repr__(self) -> str:
        """Class name and arguments."""
        return f'{type(self).__name__}(meta_keys={self.meta_keys})'
