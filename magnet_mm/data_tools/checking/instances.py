# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Checks an `instances.json`: ids, images, categories, and the mask of every annotation."""

from __future__ import annotations

import os.path as osp
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from magnet_mm.data_tools.checking.files import read_json
from magnet_mm.data_tools.checking.findings import Findings
from magnet_mm.data_tools.checking.published import SIZE_TOLERANCE, SOURCES
from magnet_mm.datasets.annotations.masks import NEARLY, check_segmentation, segmentation_to_rle
from magnet_mm.errors import DataError

Track = Callable[[Iterable, str], Iterable]
AGAIN = 'Download or write the file again.'
#: A polygon may leave its image by this many pixels: COCO rounds at the border (our choice).
BORDER = 1.0
MALFORMED = (
    'masks are malformed: polygons without 3 points or with coordinates that are no finite '
    'numbers, or RLEs without size and counts.'
)
CORRECT = 'Correct the annotation, or get the original file and image.'
SIZE_ADVICE = (
    'Get the original image; or, as for RRSIS-D, set size_tolerance of LoadReferringImage and '
    'LoadReferringMask in the pipeline.'
)
FAR_OUTSIDE = 'polygons lie outside their image, or reach far out of it.'


@dataclass
class Instances:
    """Images and annotations by id, and which annotations have an unusable or empty mask."""

    images: dict[Any, dict] = field(default_factory=dict)
    annotations: dict[Any, dict] = field(default_factory=dict)
    unusable: set[Any] = field(default_factory=set)


def check_instances(path: Path, where: str, findings: Findings, track: Track) -> Instances | None:
    """Read and check an `instances.json`.

    Args:
        path (Path): The file.
        where (str): Its name in findings.
        findings (Findings): Takes what is found.
        track (Track): Wraps the iteration over the annotations, to show progress.

    Returns:
        Instances: What could be read; None if the file cannot be used at all.
    """
    try:
        content = read_json(path)
    except DataError as error:
        findings.error(where, str(error), again_from(where.partition('/')[0]))
        return None
    lists = {'images', 'annotations'}
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in lists):
        findings.error(
            where,
            'this is no COCO annotation file: it has no lists "images" and "annotations".',
            'Put the instances.json that came with the refs file here.',
        )
        return None
    found = Instances()
    for image in content['images']:
        _add(image, found.images, 'image', where, findings)
    for image_id, image in list(found.images.items()):
        if not _usable_image(image, where, findings):
            del found.images[image_id]
    categories = _category_ids(content.get('categories'), where, findings)
    for annotation in track(content['annotations'], f'{where}: masks'):
        if _add(annotation, found.annotations, 'annotation', where, findings):
            _check_annotation(annotation, found, categories, where, findings)
    return found


def again_from(dataset: str) -> str:
    """Where a damaged file of a dataset can be had again."""
    return f'Get it: {SOURCES.get(dataset, "where the dataset comes from")}.'


def _add(entry: Any, index: dict, kind: str, where: str, findings: Findings) -> bool:
    """Enters an image or annotation under its id, unless it has none or the id is taken."""
    if not isinstance(entry, dict) or not isinstance(entry.get('id'), int):
        findings.error(where, f'an {kind} has no whole number as "id".', AGAIN, repr(entry)[:60])
        return False
    if entry['id'] in index:
        findings.error(where, f'{kind} ids occur twice.', AGAIN, f'{kind} {entry["id"]}')
        return False
    index[entry['id']] = entry
    return True


def _usable_image(image: dict, where: str, findings: Findings) -> bool:
    """Check the fields of an image."""
    name = image.get('file_name')
    sides = [image.get('height'), image.get('width')]
    example = f'image {image["id"]}'
    if not isinstance(name, str) or not all(isinstance(s, int) and s > 0 for s in sides):
        problem = 'images lack "file_name", "height" or "width".'
        findings.error(where, problem, AGAIN, example)
        return False
    if osp.isabs(name) or '..' in name.replace('\\', '/').split('/'):
        findings.error(
            where,
            'image file names lead out of the image folder.',
            'Do not use this file; get it from a source you trust.',
            f'{example}: {name!r:.60}',
        )
        return False
    return True


def _plain(value: Any) -> int | str | None:
    """Return an id as it is; None for what cannot be one (and might not be hashable)."""
    return value if isinstance(value, int | str) else None


def _category_ids(categories: Any, where: str, findings: Findings) -> set | None:
    """Return the ids of the categories; None, with a warning, if there is no such list."""
    if not isinstance(categories, list) or not categories:
        problem = 'the file has no list "categories".'
        findings.warning(where, problem, 'Training does not need it; other tools may.')
        return None
    return {_plain(entry.get('id')) for entry in categories if isinstance(entry, dict)}


def _check_annotation(
    annotation: dict, found: Instances, categories: set | None, where: str, findings: Findings
) -> None:
    """Check image, category and mask of one annotation."""
    example = f'annotation {annotation["id"]}'
    category = _plain(annotation.get('category_id'))
    if categories is not None and category not in categories:
        findings.error(
            where,
            'annotations have a category that "categories" does not list.',
            'The file was changed or damaged. ' + AGAIN,
            f'{example}: category {category!r:.20}',
        )
    image = found.images.get(_plain(annotation.get('image_id')))
    if image is None:
        problem = 'annotations are on images that the file does not list.'
        findings.error(where, problem, AGAIN, example)
        found.unusable.add(annotation['id'])
        return
    tolerance = SIZE_TOLERANCE.get(where.partition('/')[0], 0)
    segmentation = annotation.get('segmentation')
    problem = mask_problem(segmentation, image['height'], image['width'], tolerance)
    if problem is None:
        return
    level, text = problem
    advice = SIZE_ADVICE if ', by up to ' in text else CORRECT
    advice = 'Nothing: the config crops or pads them.' if level == 'note' else advice
    findings.add(level, where, text, advice, f'{example} on {image["file_name"]}')
    if level == 'error':
        found.unusable.add(annotation['id'])


def mask_problem(
    segmentation: Any, height: int, width: int, tolerance: int = 0
) -> tuple[str, str] | None:
    """Return what is wrong with a COCO segmentation of an image of height x width pixels.

    An RLE may have `tolerance` rows or columns more or less.

    Returns:
        tuple[str, str]: Level and sentence; None if nothing is wrong.
    """
    try:
        check_segmentation(segmentation, 'it')
    except DataError:
        return 'error', 'masks are empty: no polygon.' if segmentation in (None, []) else MALFORMED
    rles = [segmentation] if isinstance(segmentation, dict) else segmentation
    polygons = isinstance(rles[0], list)
    if not polygons:
        sizes = [list(rle['size']) for rle in rles if list(rle['size']) != [height, width]]
        if sizes:
            difference = max(abs(sizes[0][0] - height), abs(sizes[0][1] - width))
            if difference <= tolerance:
                return 'note', 'run-length masks differ from their image by a row or column.'
            nearly = f', by up to {NEARLY} rows or columns' if difference <= NEARLY else ''
            return 'error', f'run-length masks have another size than their image{nearly}.'
    try:
        rle = segmentation_to_rle(segmentation, height, width, 'it')
    except (DataError, TypeError, ValueError, OverflowError):
        return 'error', FAR_OUTSIDE if polygons else 'run-length masks are damaged.'
    if not coco_mask.area(rle):
        return 'error', 'masks are empty: no pixel.'
    if polygons and _outside(segmentation, height, width) > BORDER:
        return 'warning', 'polygons leave their image; the image may be another or was resized.'
    return None


def _outside(polygons: list[list], height: int, width: int) -> float:
    """By how many pixels polygons leave an image."""
    outside = 0.0
    for polygon in polygons:
        x, y = np.asarray(polygon[::2]), np.asarray(polygon[1::2])
        outside = max(outside, -x.min(), x.max() - width, -y.min(), y.max() - height)
    return float(outside)
