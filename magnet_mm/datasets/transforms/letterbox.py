# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Fits an image into a box without changing its aspect."""

from __future__ import annotations

import math
from collections.abc import Sequence

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from magnet_mm.errors import ConfigError

_ROUNDING = {'floor': math.floor, 'round': round}


@TRANSFORMS.register_module()
class Letterbox(BaseTransform):
    """Resizes an image to fit a box, its aspect kept, and fills the rest.

    Required keys: `img` ([H, W, 3]). Optional keys: `gt_seg_map` (uint8 [H, W]), which is resized
    by nearest neighbours and filled with 0.

    With `soft_mask` the mask is resized a second time, as 0 and 255 and like the image, and its
    share of 255 is kept at soft edges: what VLT trains with [C].

    Added keys: `letterbox` ((top, left, height, width), where the image lies in the box, in
    pixels), `img_shape`, `scale_factor` ((x, y)), with `soft_mask`
    `gt_soft_seg_map` (float32 [H, W] in 0..1). The way back is
    :func:`magnet_mm.evaluation.geometry.to_original`.

    Args:
        size (tuple[int, int]): Width and height of the box in pixels, as mmcv's `scale`.
        fill (float | Sequence[float]): Value of the rest, one number or one per channel of `img`;
            with fractions the image becomes float32.
        centred (bool): The image lies in the middle (an odd pixel goes right or below), or else in
            the upper left corner.
        interpolation (str): Of mmcv: `bilinear`, `bicubic`, `area` ...
        rounding (str): How the resized sides become whole pixels, `floor` or `round`.
        soft_mask (bool): Add the mask with soft edges.

    Raises:
        ConfigError: For a size that is no box, or another rounding.

    Source: VLT, CRIS and CMPC in their released codes (docs/methods); which box each uses stands in
    its config.
    """

    def __init__(
        self,
        size: tuple[int, int],
        fill: float | Sequence[float] = 0,
        centred: bool = True,
        interpolation: str = 'bilinear',
        rounding: str = 'round',
        soft_mask: bool = False,
    ) -> None:
        if len(size) != 2 or min(size) < 1:
            raise ConfigError(f'Letterbox: size is (width, height) in pixels, not {size}.')
        if rounding not in _ROUNDING:
            raise ConfigError(f"Letterbox: rounding is 'floor' or 'round', not {rounding!r}.")
        self.size = tuple(size)
        self.fill = fill
        self.centred = centred
        self.interpolation = interpolation
        self.rounding = rounding
        self.soft_mask = soft_mask

    def region(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Where an image of this size lies in the box: top, left, height, width."""
        box_width, box_height = self.size
        scale = min(box_width / width, box_height / height)
        whole = _ROUNDING[self.rounding]
        inner_height = min(max(whole(height * scale), 1), box_height)
        inner_width = min(max(whole(width * scale), 1), box_width)
        if not self.centred:
            return 0, 0, inner_height, inner_width
        top, left = (box_height - inner_height) // 2, (box_width - inner_width) // 2
        return top, left, inner_height, inner_width

    def transform(self, results: dict) -> dict:
        """Fits image and mask into the box."""
        image = results['img']
        region = self.region(*image.shape[:2])
        top, left, height, width = region
        rows, columns = slice(top, top + height), slice(left, left + width)
        box_width, box_height = self.size
        fill = np.asarray(self.fill)
        whole = image.dtype == np.uint8 and (fill == fill.astype(np.uint8)).all()
        boxed = np.empty((box_height, box_width, 3), np.uint8 if whole else np.float32)
        boxed[:] = fill
        boxed[rows, columns] = mmcv.imresize(
            image, (width, height), interpolation=self.interpolation
        )
        results['scale_factor'] = (width / image.shape[1], height / image.shape[0])
        results['img'] = boxed
        results['img_shape'] = boxed.shape[:2]
        results['letterbox'] = region
        if 'gt_seg_map' in results:
            mask = box_mask(results['gt_seg_map'], boxed.shape[:2], region)
            if self.soft_mask:
                soft = np.zeros((box_height, box_width), np.float32)
                soft[rows, columns] = mmcv.imresize(
                    results['gt_seg_map'] * np.uint8(255),
                    (width, height),
                    interpolation=self.interpolation,
                )
                results['gt_soft_seg_map'] = soft / np.float32(255)
            results['gt_seg_map'] = mask
        return results

    def __repr__(self) -> str:
        """Class name and arguments."""
        return (
            f'{type(self).__name__}(size={self.size}, fill={self.fill}, centred={self.centred}, '
            f'interpolation={self.interpolation!r}, rounding={self.rounding!r}, '
            f'soft_mask={self.soft_mask})'
        )


def box_mask(
    mask: np.ndarray, size: tuple[int, int], region: tuple[int, int, int, int]
) -> np.ndarray:
    """Put a mask into a box as :class:`Letterbox` does: nearest neighbours, 0 around it.

    Args:
        mask (np.ndarray): uint8 [H, W].
        size (tuple[int, int]): Height and width of the box in pixels.
        region (tuple[int, int, int, int]): Top, left, height, width in it, as in `letterbox`.

    Returns:
        np.ndarray: uint8, of the size of the box.
    """
    top, left, height, width = region
    boxed = np.zeros(size, np.uint8)
    boxed[top : top + height, left : left + width] = mmcv.imresize(
        mask, (width, height), interpolation='nearest'
    )
    return boxed
