# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A folder of LabelMe files to JSON lines.

LabelMe (the program labelme, version 5 and later) writes one JSON file per image: ``imagePath``,
``imageHeight``, ``imageWidth`` and ``shapes``, each with ``label``, ``description``,
``shape_type``, ``points`` ``[[x, y], ...]`` and ``group_id``.
"""

from __future__ import annotations

import base64
import io
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from magnet_mm.data_tools.checking.files import read_json
from magnet_mm.data_tools.conversion.lines import write_jsonl
from magnet_mm.datasets.image_files import MAX_PIXELS, open_image
from magnet_mm.errors import DataError
from magnet_mm.evaluation.results_io import encode_mask

_CIRCLE = 64  # corners; our choice


def labelme_to_jsonl(folder: str | Path, images: str | Path, out: str | Path) -> int:
    """Write one line per object of every LabelMe file.

    The sentence of a shape is its ``description``, or its ``label`` where that is empty. Shapes of
    one file with the same sentence and ``group_id`` (a number) are one object of several parts.

    Args:
        folder (str | Path): Holds the JSON files.
        images (str | Path): What the paths of the images will be relative to.
        out (str | Path): The JSON-lines file; it must not exist.

    Returns:
        int: How many lines were written.

    Raises:
        DataError: There is no such file, one is not LabelMe's, a shape is no area, or `out`
            exists. The message names file and shape.
    """
    files = sorted(Path(folder).glob('*.json'))
    if not files:
        raise DataError(f'{folder}: no .json file of LabelMe is here. Give the folder with them.')

    def lines() -> Iterator[dict]:
        for path in files:
            yield from _objects(path, Path(images))

    return write_jsonl(out, lines())


def _objects(path: Path, images: Path) -> Iterator[dict]:
    """Yield the lines of one file."""
    try:
        content = read_json(path)
    except DataError as error:
        raise DataError(f'{path}: {error}') from error
    shapes = content.get('shapes') if isinstance(content, dict) else None
    if not isinstance(shapes, list) or not isinstance(content.get('imagePath'), str):
        raise DataError(f'{path}: not a file of LabelMe (no "shapes", or no "imagePath").')
    image = path.parent / content['imagePath'].replace('\\', '/')
    name = Path(os.path.relpath(image, images)).as_posix()
    parts: dict[tuple, list[Any]] = {}
    for number, shape in enumerate(shapes, start=1):
        where = f'{path}, shape {number}'
        if not isinstance(shape, dict):
            raise DataError(f'{where}: not an object {{...}}. Save the file with LabelMe again.')
        text = str(shape.get('description') or shape.get('label') or '').strip()
        if not text:
            raise DataError(f'{where}: neither "description" nor "label" says what it is.')
        group = shape.get('group_id')
        key = (text, number if group is None else f'group {group}')
        parts.setdefault(key, []).append(_area(shape, content, where))
    for (text, _), masks in parts.items():
        if len({type(mask) for mask in masks}) > 1:
            raise DataError(
                f'{path}: "{text:.40}" is a group of polygons and masks. Give its shapes another '
                'sentence each, or draw all of them as polygons.'
            )
        yield dict(image=name, expression=text, mask=masks if len(masks) > 1 else masks[0])


def _area(shape: dict, content: dict, where: str) -> list[float] | dict:
    """Return a polygon as [x1, y1, ...], or a bitmap as RLE."""
    kind = shape.get('shape_type', 'polygon')
    if kind not in _CORNERS and kind != 'mask':
        raise DataError(
            f'{where}: a {kind!r} has no area. Draw it as polygon, rectangle, circle or mask.'
        )
    try:
        points = np.array(shape['points'], dtype=np.float64).reshape(-1, 2)
        if kind == 'mask':
            return _bitmap(shape['mask'], points, content)
        corners = _CORNERS[kind](points)
    except (LookupError, TypeError, ValueError, OverflowError, OSError) as error:
        raise DataError(
            f'{where}: the {kind} cannot be read ({type(error).__name__}: {error}). Draw it again.'
        ) from error
    return [round(float(value), 3) for value in corners.ravel()]


def _rectangle(points: np.ndarray) -> np.ndarray:
    """Two opposite corners to all four."""
    (left, top), (right, bottom) = points.min(0), points.max(0)
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def _circle(points: np.ndarray) -> np.ndarray:
    """Centre and a point of the edge to corners."""
    turn = 2 * math.pi * np.arange(_CIRCLE)[:, None] / _CIRCLE
    radius = np.linalg.norm(points[1] - points[0])
    return points[0] + radius * np.hstack([np.cos(turn), np.sin(turn)])


_CORNERS = {'polygon': lambda points: points, 'rectangle': _rectangle, 'circle': _circle}


def _bitmap(encoded: str, points: np.ndarray, content: dict) -> dict:
    """Place LabelMe's PNG of a part of the image into a mask of the whole, as RLE."""
    with open_image(io.BytesIO(base64.b64decode(encoded)), ('PNG',)) as opened:
        part = np.asarray(opened) != 0
    height, width = int(content['imageHeight']), int(content['imageWidth'])
    if height * width > MAX_PIXELS:
        raise ValueError(f'an image of {height} x {width} pixels is too large')
    whole = np.zeros((height, width), np.uint8)
    left, top = (int(value) for value in points[0])
    place = whole[top : top + part.shape[0], left : left + part.shape[1]]
    if left < 0 or top < 0 or place.shape != part.shape:
        raise ValueError('it reaches beyond the image')
    place[part] = 1
    return encode_mask(whole)
