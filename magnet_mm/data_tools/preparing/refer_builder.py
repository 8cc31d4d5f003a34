# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Collects refs, annotations and images out of rows, and checks each, to RefCOCO's files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mmdet.datasets import CocoDataset
from pycocotools import mask as coco_mask

from magnet_mm.data_tools.checking.instances import mask_problem
from magnet_mm.data_tools.preparing.prepared import Dropped, json_bytes, refs_bytes
from magnet_mm.datasets.annotations.checks import check_fields
from magnet_mm.datasets.annotations.masks import segmentation_to_rle
from magnet_mm.datasets.image_paths import check_file_name
from magnet_mm.errors import DataError

#: Ids that COCO's categories skip.
_GAPS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
COCO_CATEGORIES = [
    {'id': number, 'name': name}
    for number, name in zip(
        [one for one in range(1, 91) if one not in _GAPS],
        CocoDataset.METAINFO['classes'],
        strict=True,
    )
]


class ReferBuilder:
    """Take one ref after the other; the same row may come twice, other rows of one id may not.

    Args:
        dropped: Takes the refs whose mask cannot be used.
    """

    def __init__(self, dropped: Dropped) -> None:
        self.dropped = dropped
        self.refs: dict[str, dict[int, dict]] = {}  # by refs file
        self.images: dict[int, dict] = {}
        self.annotations: dict[int, dict] = {}

    def add(self, refs_name: str, ref: dict, annotation: dict, image: dict, where: str) -> None:
        """Add a ref in RefCOCO's form with its annotation and image in COCO's to a refs file.

        Raises:
            DataError: A field is missing or of another type, ids contradict each other, or an id
                stands for two things.
        """
        check_fields(ref, dict(ref_id=int, ann_id=int, image_id=int, split=str), where)
        check_fields(annotation, dict(id=int, image_id=int), f'{where}: annotation')
        check_fields(image, dict(id=int, file_name=str, height=int, width=int), f'{where}: image')
        check_file_name(image['file_name'], where)
        wanted = ref['ann_id'], ref['image_id'], ref['image_id']
        if (annotation['id'], annotation['image_id'], image['id']) != wanted:
            raise DataError(
                f'{where}: ref {ref["ref_id"]} means annotation {ref["ann_id"]} of image '
                f'{ref["image_id"]}, but beside it stand annotation {annotation["id"]} of image '
                f'{annotation["image_id"]} and image {image["id"]}. Get the file again.'
            )
        if not ref['sentences']:
            self.dropped.add('refs', 'no sentence', f'ref {ref["ref_id"]}')
            return
        problem = mask_problem(annotation.get('segmentation'), image['height'], image['width'])
        if problem is not None and problem[0] == 'error':
            self.dropped.add('refs', problem[1], f'ref {ref["ref_id"]}')
            return
        if 'bbox' not in annotation:
            rle = segmentation_to_rle(
                annotation['segmentation'], image['height'], image['width'], where
            )
            annotation = {
                **annotation,
                'bbox': coco_mask.toBbox(rle).tolist(),
                'area': float(coco_mask.area(rle)),
            }
        for index, key, entry in (
            (self.refs.setdefault(refs_name, {}), ref['ref_id'], ref),
            (self.images, image['id'], image),
            (self.annotations, annotation['id'], annotation),
        ):
            if index.setdefault(key, entry) != entry:
                raise DataError(f'{where}: id {key} stands for two different things.')

    def contents(self, categories: Sequence[dict] = ()) -> Iterator[tuple[str, bytes]]:
        """Yield `instances.json` and the refs files, in the order of the ids.

        Args:
            categories: COCO's categories that occur, if none are given.
        """
        instances = {
            'images': _by_id(self.images),
            'annotations': _by_id(self.annotations),
            'categories': list(categories) or self._categories(),
        }
        yield 'instances.json', json_bytes(instances)
        for refs_name, refs in sorted(self.refs.items()):
            yield refs_name, refs_bytes(_by_id(refs))

    def _categories(self) -> list[dict]:
        used = {annotation.get('category_id') for annotation in self.annotations.values()}
        return [category for category in COCO_CATEGORIES if category['id'] in used]


def _by_id(entries: dict[int, dict]) -> list[dict]:
    return [entries[key] for key in sorted(entries)]


def reduced_instances(content: dict, refs: Sequence[dict]) -> dict[str, Any]:
    """Return the images of refs, and all annotations on them, out of a larger COCO file."""
    images = {ref['image_id'] for ref in refs}
    return {
        'images': [one for one in content['images'] if one['id'] in images],
        'annotations': [one for one in content['annotations'] if one['image_id'] in images],
        'categories': content.get('categories', []),
    }
