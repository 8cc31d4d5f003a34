# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""COCO segmentations of RefShapes' masks: polygons, and some lists of one run-length encoding.

`refer` reads these two forms; it cannot read a bare RLE dict, nor uncompressed run lengths.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from pycocotools import mask as mask_utils

from magnet_mm.refshapes.drawing import SCALE

#: Share of the masks written as run lengths though they could be polygons (our choice).
RLE_SHARE = 0.1
#: Parts of a mask smaller than this many image pixels are left out.
SMALLEST_PART = 3


def segmentation(rng: np.random.Generator, mask: np.ndarray) -> dict[str, Any]:
    """Encode one visible mask.

    A mask with a hole cannot be a polygon and becomes a run-length encoding.

    Args:
        rng: Draws the form.
        mask: uint8 [2H, 2W] of 0/1, at twice the image's size.

    Returns:
        The annotation's ``segmentation``, ``bbox`` (x, y, w, h), ``area`` (pixels) and ``iscrowd``,
        all of plain Python types; the last three are those of the decoded mask.
    """
    height, width = mask.shape[0] // SCALE, mask.shape[1] // SCALE
    draw = rng.random()
    polygons, has_hole = _polygons(mask)
    if has_hole or draw < RLE_SHARE:
        small = cv2.resize(mask * 255, (width, height), interpolation=cv2.INTER_AREA) >= 128
        rle = mask_utils.encode(np.asfortranarray(small.astype(np.uint8)))
        written: Any = [{'size': [height, width], 'counts': rle['counts'].decode('ascii')}]
    else:
        rle = mask_utils.merge(mask_utils.frPyObjects(polygons, height, width))
        written = polygons
    return {
        'segmentation': written,
        'bbox': [float(value) for value in mask_utils.toBbox(rle)],
        'area': float(mask_utils.area(rle)),
        'iscrowd': 0,
    }


def _polygons(mask: np.ndarray) -> tuple[list[list[float]], bool]:
    """Return the outlines in image pixels, and whether any part has a hole."""
    # Grown by one to the right and downwards, the outline runs along the pixels' outer edges.
    grown = cv2.dilate(mask, np.ones((2, 2), np.uint8), anchor=(1, 1))
    contours, hierarchy = cv2.findContours(grown, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    polygons, has_hole = [], False
    for contour, (_, _, _, parent) in zip(contours, hierarchy[0], strict=True):
        if cv2.contourArea(contour) < SMALLEST_PART * SCALE**2:
            continue
        if parent >= 0:
            has_hole = True
            continue
        points = cv2.approxPolyDP(contour, 0.7, closed=True)[:, 0]
        polygons.append([float(value) / SCALE for value in points.ravel()])
    return polygons, has_hole
