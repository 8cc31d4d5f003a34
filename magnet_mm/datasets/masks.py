# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""COCO segmentations (polygons, RLE, compressed RLE) to RLE and to 0/1 masks, by pycocotools."""

from __future__ import annotations

from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from magnet_mm.errors import DataError


def check_segmentation(segmentation: Any, where: str) -> None:
    """Checks the form of a COCO segmentation, without decoding it.

    Args:
        segmentation: List of polygons `[x1, y1, x2, y2, ...]` in pixels, or an RLE dict.
        where (str): File and annotation, for the message.

    Raises:
        DataError: Neither form, no polygon at all, or a polygon without three points.
    """
    if isinstance(segmentation, dict):
        if not isinstance(segmentation.get('counts'), list | str | bytes) or not (
            isinstance(segmentation.get('size'), list | tuple) and len(segmentation['size']) == 2
        ):
            raise DataError(
                f'{where}: an RLE segmentation needs "size" [height, width] and "counts" (a list '
                f'of run lengths or a string), found keys {sorted(map(str, segmentation))}. '
                'Correct the annotation file.'
            )
        return
    if not isinstance(segmentation, list) or not segmentation:
        raise DataError(
            f'{where}: the segmentation is neither a non-empty list of polygons nor an RLE dict '
            f'(found {type(segmentation).__name__}). Correct the annotation file.'
        )
    for polygon in segmentation:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            raise DataError(
                f'{where}: a polygon needs x, y pairs of at least 3 points, found {polygon!r:.80}. '
                'Correct the annotation file.'
            )


def segmentation_to_rle(segmentation: Any, height: int, width: int, where: str) -> dict:
    """Converts a COCO segmentation to one compressed RLE; polygon parts are united.

    Args:
        segmentation: List of polygons in pixels, an RLE dict with run lengths, or a compressed
            RLE dict (`counts` a str or bytes).
        height (int): Height of the image in pixels.
        width (int): Width of the image in pixels.
        where (str): File and annotation, for messages.

    Returns:
        dict: `size` [height, width] and `counts` (bytes), as pycocotools writes them.

    Raises:
        DataError: The form is wrong, or an RLE does not describe height x width pixels.

    Source: union of overlapping parts, data.md (released LAVT and MagNet make overlaps
    background).
    """
    check_segmentation(segmentation, where)
    if isinstance(segmentation, dict):
        return _checked_rle(segmentation, height, width, where)
    polygons = [np.asarray(polygon, dtype=np.float64).tolist() for polygon in segmentation]
    return coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))


def rle_to_mask(rle: dict) -> np.ndarray:
    """Decodes a compressed RLE to a uint8 [H, W] array of 0 and 1."""
    return coco_mask.decode(rle)


def _checked_rle(rle: dict, height: int, width: int, where: str) -> dict:
    """Compresses an RLE dict after checking that its runs cover exactly height x width pixels."""
    if list(rle['size']) != [height, width]:
        raise DataError(
            f'{where}: the RLE has size {list(rle["size"])} but the image is [{height}, {width}] '
            '(height, width). Annotation and image do not belong together; check both files.'
        )
    counts = rle['counts']
    if isinstance(counts, list):
        runs = counts
    else:
        counts = counts.encode('ascii', 'replace') if isinstance(counts, str) else counts
        runs = _compressed_runs(counts)
    if any(not isinstance(run, int) or run < 0 for run in runs) or sum(runs) != height * width:
        raise DataError(
            f'{where}: the run lengths of the RLE do not add up to the {height} x {width} pixels '
            'of its image. The annotation is damaged; download or write the file again.'
        )
    if isinstance(counts, list):
        return coco_mask.frPyObjects({'size': [height, width], 'counts': runs}, height, width)
    return {'size': [height, width], 'counts': counts}


def _compressed_runs(counts: bytes) -> list[int]:
    """Run lengths of COCO's compressed RLE: base-32 digits (character - 48, bit 5 = continue),
    two's complement, from the fourth run on as difference to the run two before.

    pycocotools leaves the pixels beyond a too short string undefined, so the runs are counted
    here first. A string that ends within a number gives [-1].
    """
    runs: list[int] = []
    value = shift = 0
    for byte in counts:
        digit = byte - 48
        if not 0 <= digit < 64:
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
