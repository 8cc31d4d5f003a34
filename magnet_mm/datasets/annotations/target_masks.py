# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The mask of a record: one segmentation, the union of several, none at all, or a PNG."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from magnet_mm.datasets.annotations.masks import (
    MAX_PIXELS,
    check_fit,
    fit_rle,
    segmentation_to_rle,
)
from magnet_mm.datasets.image_files import open_image
from magnet_mm.errors import DataError


def target_rle(record: dict, height: int, width: int, where: str, tolerance: int = 0) -> dict:
    """Return the mask of a record as compressed RLE.

    Args:
        record (dict): With `segmentation` (COCO form, or {'png': path}), or with `segmentations`:
            a list whose union is meant, empty where nothing is.
        height (int): Height of the image in pixels.
        width (int): Width of the image in pixels.
        where (str): File and annotation, for messages.
        tolerance (int): By how many rows and columns a PNG or RLE may differ from the image; it
            is cropped or padded, see `masks.fit_rle`.

    Returns:
        dict: `size` [height, width] and `counts` (bytes), as pycocotools writes them.

    Raises:
        DataError: A segmentation is malformed or does not fit the image, or a PNG cannot be read.
    """
    parts = record['segmentations'] if 'segmentations' in record else [record['segmentation']]
    rles = [_part_rle(part, height, width, where, tolerance) for part in parts]
    if not rles:
        return coco_mask.encode(np.zeros((height, width), np.uint8, order='F'))
    return rles[0] if len(rles) == 1 else coco_mask.merge(rles)


def is_png(segmentation: Any) -> bool:
    """Whether a segmentation is the path of a mask image, {'png': path}."""
    return isinstance(segmentation, dict) and 'png' in segmentation


def _part_rle(segmentation: Any, height: int, width: int, where: str, tolerance: int) -> dict:
    if is_png(segmentation):
        path, size = segmentation['png'], (height, width)
        return fit_rle(read_mask_png(path, f'{where}: the mask {path}', size, tolerance), size)
    return segmentation_to_rle(segmentation, height, width, where, tolerance)


def read_mask_png(
    path: str | os.PathLike[str],
    where: str,
    size: tuple[int, int] | None = None,
    tolerance: int = 0,
) -> dict:
    """Read a mask image, not 0 = object, as compressed RLE.

    Args:
        path (str): The PNG, of one channel.
        where (str): What it is, for messages.
        size (tuple[int, int], optional): Height and width that it must have, compared before it is
            decoded. Without it any size of up to `masks.MAX_PIXELS` pixels is taken.
        tolerance (int): By how many rows and columns it may differ from them.

    Raises:
        DataError: It cannot be read, has several channels, or another size.
    """
    try:
        with open_image(path, ('PNG',)) as image:
            if size is not None:
                check_fit((image.height, image.width), size, where, tolerance)
            elif image.height * image.width > MAX_PIXELS:
                raise DataError(f'{where}: {image.height} x {image.width} pixels are too many.')
            mask = np.asarray(image)
    except DataError:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds
        raise DataError(
            f'{where} cannot be read ({type(error).__name__}: {error}). Check '
            'the path, and that the file is a complete PNG.'
        ) from error
    if mask.ndim != 2:
        raise DataError(
            f'{where} has {mask.shape[-1]} channels. Save it with one channel '
            '(grey, palette or black and white), 0 where the object is not.'
        )
    return coco_mask.encode(np.asfortranarray(mask != 0, dtype=np.uint8))
