# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""COCO segmentations (polygons, RLE, lists of RLE) to RLE and to 0/1 masks, by pycocotools.

pycocotools trusts its input: NaN coordinates give an empty mask, coordinates of a billion exhaust
the memory, and run lengths that do not cover the image leave pixels undefined. So everything is
checked here before it gets there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from magnet_mm.errors import DataError
from magnet_mm.text_safety import printable

# Limits far beyond any real annotation (our choice): they bound time and memory of one mask.
MAX_PIXELS = 1 << 28
MAX_POLYGONS = 10_000
MAX_BOUNDARY = 1 << 24  # pixels along all edges of one object

NEARLY = 8  # rows or columns by which a mask may be said to nearly fit its image (our choice)

_CORRECT = 'Correct the annotation file.'


def check_segmentation(segmentation: Any, where: str) -> None:
    """Check the form of a COCO segmentation, without decoding it.

    Args:
        segmentation: List of polygons `[x1, y1, x2, y2, ...]` in pixels, an RLE dict, or a list of
            RLE dicts (RefCLEF, RRSIS-D).
        where (str): File and annotation, for the message.

    Raises:
        DataError: None of the forms, no polygon at all, more than `MAX_POLYGONS`, a polygon without
            three points, or a coordinate that is no finite number.
    """
    if isinstance(segmentation, dict):
        _check_rle_form(segmentation, where)
        return
    if not isinstance(segmentation, list) or not segmentation:
        raise DataError(
            f'{where}: the segmentation is neither a non-empty list of polygons nor an RLE dict '
            f'or a list of them (found {type(segmentation).__name__}). {_CORRECT}'
        )
    if len(segmentation) > MAX_POLYGONS:
        raise DataError(
            f'{where}: the segmentation has {len(segmentation)} parts; more than {MAX_POLYGONS} '
            f'for one object are taken for an attack or a mistake. {_CORRECT}'
        )
    if isinstance(segmentation[0], dict):
        for rle in segmentation:
            _check_rle_form(rle, where)
        return
    for polygon in segmentation:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            count = f'a list of {len(polygon)}' if isinstance(polygon, list) else type(polygon)
            raise DataError(
                f'{where}: a polygon needs x, y pairs of at least 3 points, found {count}. '
                f'{_CORRECT}'
            )
        if not set(map(type, polygon)) <= {int, float} or not _all_finite(polygon):
            wrong = next(value for value in polygon if not _is_coordinate(value))
            raise DataError(
                f'{where}: a polygon has a coordinate that is no finite number: '
                f'{printable(repr(wrong), 40) if isinstance(wrong, float | str) else type(wrong)}. '
                f'{_CORRECT}'
            )


def segmentation_to_rle(
    segmentation: Any, height: int, width: int, where: str, tolerance: int = 0
) -> dict:
    """Convert a COCO segmentation to one compressed RLE; its parts are united.

    A polygon may reach out of the image by up to the image's size; what lies outside is cut off.
    One that encloses no pixel (a point, a line) gives an empty mask.

    Args:
        segmentation: List of polygons in pixels, an RLE dict with run lengths, a compressed
            RLE dict (`counts` a str or bytes), or a list of RLE dicts.
        height (int): Height of the image in pixels.
        width (int): Width of the image in pixels.
        where (str): File and annotation, for messages.
        tolerance (int): By how many rows and columns an RLE may differ from the image; it is
            cropped, or padded with background, at the lower and right border.

    Returns:
        dict: `size` [height, width] and `counts` (bytes), as pycocotools writes them.

    Raises:
        DataError: The form is wrong, polygons lie outside the image, are absurdly long, or an RLE
            does not describe height x width pixels.

    Source: union of overlapping parts, docs/data.md (released LAVT and MagNet make overlaps
    background).
    """
    check_segmentation(segmentation, where)
    rles = [segmentation] if isinstance(segmentation, dict) else segmentation
    if isinstance(rles[0], dict):
        for rle in rles:
            check_fit(rle['size'], (height, width), f'{where}: the RLE', tolerance)
        parts = [fit_rle(check_rle(rle, where), (height, width)) for rle in rles]
        return parts[0] if len(parts) == 1 else coco_mask.merge(parts)
    polygons = [np.asarray(polygon, dtype=np.float64) for polygon in segmentation]
    _check_extent(polygons, height, width, where)
    return coco_mask.merge(
        coco_mask.frPyObjects([polygon.tolist() for polygon in polygons], height, width)
    )


def rle_to_mask(rle: dict) -> np.ndarray:
    """Decode a compressed RLE that was checked to a uint8 [H, W] array of 0 and 1."""
    return coco_mask.decode(rle)


def check_fit(
    size: Sequence[int], image_size: tuple[int, int], where: str, tolerance: int = 0
) -> None:
    """Check that a mask has the height and width of its image.

    Args:
        size (Sequence[int]): Height and width of the mask in pixels.
        image_size (tuple[int, int]): Those of the image.
        where (str): File and annotation, or what the mask is, for the message.
        tolerance (int): By how many rows and columns they may differ.

    Raises:
        DataError: They differ by more.
    """
    difference = max(abs(size[0] - image_size[0]), abs(size[1] - image_size[1]))
    if difference > tolerance:
        raise DataError(
            f'{where} has size {list(size)} but the image is {list(image_size)} (height, width). '
            f'{mismatch_advice(difference)}'
        )


def fit_rle(rle: dict, size: tuple[int, int]) -> dict:
    """Crop a checked RLE, or pads it with background, at the lower and right border.

    Args:
        rle (dict): What :func:`check_rle` returned.
        size (tuple[int, int]): Height and width of the image in pixels.

    Returns:
        dict: `size` and `counts` (bytes).
    """
    height, width = rle['size']
    if (height, width) == size:
        return rle
    mask = np.zeros(size, np.uint8, order='F')
    rows, columns = min(height, size[0]), min(width, size[1])
    mask[:rows, :columns] = rle_to_mask(rle)[:rows, :columns]
    return coco_mask.encode(mask)


def mismatch_advice(difference: int) -> str:
    """Say what to do about a mask and an image that differ by so many rows or columns."""
    if difference > NEARLY:
        return 'Annotation and image do not belong together; check both files.'
    return (
        f'They nearly fit: if they belong together, set size_tolerance={difference} of '
        'LoadReferringImage and of LoadReferringMask, which crops or pads the mask at the lower '
        'and right border.'
    )


def check_rle(rle: dict, where: str) -> dict:
    """Compress an RLE dict after checking that its runs cover exactly its pixels.

    Args:
        rle (dict): `size` [height, width], and `counts`: run lengths, or a str or bytes of COCO's
            compressed form.
        where (str): File and annotation, for messages.

    Returns:
        dict: `size` [height, width] and `counts` (bytes): safe to decode.

    Raises:
        DataError: The form is wrong, the size is absurd, or the runs do not add up.
    """
    _check_rle_form(rle, where)
    height, width = rle['size']
    counts = rle['counts']
    if isinstance(counts, str):
        counts = counts.encode('ascii', 'replace')
    runs = counts if isinstance(counts, list) else _compressed_runs(counts)
    if not set(map(type, runs)) <= {int} or min(runs, default=0) < 0 or sum(runs) != height * width:
        raise DataError(
            f'{where}: the run lengths of the RLE do not add up to the {height} x {width} pixels '
            'of its image. The annotation is damaged; download or write the file again.'
        )
    if isinstance(counts, list):
        return coco_mask.frPyObjects({'size': [height, width], 'counts': runs}, height, width)
    return {'size': [height, width], 'counts': counts}


def _check_rle_form(rle: Any, where: str) -> None:
    """Check keys and types of an RLE dict, and that its size is that of an image."""
    size = rle.get('size') if isinstance(rle, dict) else None
    if (
        not isinstance(size, list | tuple)
        or len(size) != 2
        or not isinstance(rle.get('counts'), list | str | bytes)
    ):
        found = sorted(map(str, rle))[:10] if isinstance(rle, dict) else type(rle).__name__
        raise DataError(
            f'{where}: an RLE segmentation needs "size" [height, width] and "counts" (a list '
            f'of run lengths or a string), found {printable(found, 200)}. {_CORRECT}'
        )
    if any(type(side) is not int or side < 1 for side in size) or size[0] * size[1] > MAX_PIXELS:
        raise DataError(
            f'{where}: the size {printable(repr(size), 80)} of the RLE is no [height, width] of at '
            f'least 1 and of at most {MAX_PIXELS} pixels together. {_CORRECT}'
        )


def _check_extent(polygons: list[np.ndarray], height: int, width: int, where: str) -> None:
    """Check that polygons touch the image, stay near it, and can be drawn in little memory."""
    points = np.concatenate(polygons).reshape(-1, 2)
    low, high, size = points.min(0), points.max(0), np.array([width, height])
    if (low < -size).any() or (high > 2 * size).any() or (low > size).any() or (high < 0).any():
        raise DataError(
            f'{where}: the polygons span x {low[0]:g} to {high[0]:g}, y {low[1]:g} to {high[1]:g}, '
            f'which does not fit an image of {height} x {width} (height, width): they lie outside, '
            'or reach out by more than its size. Annotation and image do not belong together; '
            'check both files.'
        )
    boundary = sum(_boundary(polygon.reshape(-1, 2)) for polygon in polygons)
    if boundary > min(4 * (height + 1) * (width + 1), MAX_BOUNDARY):
        raise DataError(
            f'{where}: the edges of the polygons are {boundary:.0f} pixels long together, too long '
            f'for one object of an image of {height} x {width} (height, width). {_CORRECT}'
        )


def _boundary(points: np.ndarray) -> float:
    """Pixels along the closed polygon [N, 2]: what pycocotools walks."""
    return float(np.abs(points - np.roll(points, 1, axis=0)).max(1).sum())


def _all_finite(polygon: list) -> bool:
    try:
        return all(map(math.isfinite, polygon))
    except OverflowError:  # an int beyond any float
        return False


def _is_coordinate(value: Any) -> bool:
    return type(value) in (int, float) and _all_finite([value])


def _compressed_runs(counts: bytes) -> list[int]:
    """Read the run lengths of COCO's compressed RLE.

    Base-32 digits (character - 48, bit 5 = continue), two's complement, from the fourth run on as
    difference to the run two before.

    pycocotools leaves the pixels beyond a too short string undefined, so the runs are counted
    here first. A string that ends within a number gives [-1].
    """
    runs: list[int] = []
    value = shift = 0
    for byte in counts:
        digit = byte - 48
        if not 0 <= digit < 64 or shift > 60:
            return [-1]
        value |= (digit & 31) << shift
        shift += 5
        if digit & 32:
            continue
        if digit & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return [-1] if shift else runs


def check_binary(mask: np.ndarray, where: str) -> None:
    """Check that a mask has no other label than 0 (background) and 1 (object).

    Args:
        mask (np.ndarray): Any shape and type.
        where (str): Sample, for the message.

    Raises:
        DataError: It has another one, such as 2, 255 or a fraction.
    """
    others = mask[(mask != 0) & (mask != 1)]
    if others.size:
        found = ', '.join(str(value) for value in np.unique(others)[:5])
        raise DataError(
            f'{where}: the mask has the label(s) {found}, but 0 is background, 1 is the object, '
            'and nothing else is known (no ignore label). Write `mask != 0` or `mask == label`; '
            'set seg_pad_val=0 where the pipeline pads.'
        )
