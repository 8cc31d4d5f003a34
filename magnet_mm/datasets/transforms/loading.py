# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Loads the mask of the referred object."""

from __future__ import annotations

from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from magnet_mm.datasets.masks import rle_to_mask
from magnet_mm.datasets.target_masks import target_rle
from magnet_mm.errors import DataError


@TRANSFORMS.register_module()
class LoadReferringMask(BaseTransform):
    """Decodes the annotated segmentation at the size of the original image.

    Required keys: `img, ori_shape` (so it stands after `LoadImageFromFile`), and `segmentation`
    or `segmentations` (see :func:`magnet_mm.datasets.target_masks.target_rle`). Optional keys:
    `height, width` (pixels), which must be the image's.

    Added keys: `gt_seg_map` (uint8 [H, W], 1 on the object), `gt_rle` (compressed RLE dict at
    original size); `gt_seg_map` is entered in `seg_fields`. The segmentations are removed.

    Raises:
        DataError: The image on disk has another size than the annotation file says, or the
            segmentation does not fit the image.

    Source: data.md (union of polygon parts).
    """

    def transform(self, results: dict) -> dict:
        """Adds the mask to the results."""
        height, width = results['ori_shape']
        annotated = results.get('height', height), results.get('width', width)
        if annotated != (height, width):
            raise DataError(
                f'{results["img_path"]} is {(height, width)} (height, width) but '
                f'{results.get("ann_file", "its annotation")} says {annotated} (ref '
                f'{results.get("ref_id")}). The image was resized or is another one; use the '
                'original COCO train2014 images.'
            )
        where = (
            f'{results.get("ann_file", "annotation")}: annotation {results.get("ann_id")} of ref '
            f'{results.get("ref_id")}'
        )
        rle = target_rle(results, height, width, where)
        for key in ('segmentation', 'segmentations'):
            results.pop(key, None)
        results['gt_rle'] = rle
        results['gt_seg_map'] = rle_to_mask(rle)
        results.setdefault('seg_fields', []).append('gt_seg_map')
        return results

    def __repr__(self) -> str:
        """Class name; there are no arguments."""
        return f'{type(self).__name__}()'
