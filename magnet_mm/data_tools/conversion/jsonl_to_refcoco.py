# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""JSON lines to the files of RefCOCO."""

from __future__ import annotations

import json
import logging
import pickle
import posixpath
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from pycocotools import mask as coco_mask

from magnet_mm.datasets.annotations.jsonl_annotations import path_inside, read_jsonl
from magnet_mm.datasets.annotations.target_masks import target_rle
from magnet_mm.datasets.image_files import open_image
from magnet_mm.errors import DataError

CATEGORY = 'object'


def jsonl_to_refcoco(
    jsonl: str | Path,
    out: str | Path,
    image_folder: str | Path | None = None,
    split: str | None = None,
) -> int:
    """Write `instances.json` and `refs(unc).p`.

    Ids of the lines are kept; images and annotations without one are numbered. Polygons are kept
    as they are; RLEs and mask PNGs become lists of compressed RLEs, the one form of RLE that
    `refer` reads. Lines with the same `ann_id` share one annotation. Images are named without
    their folder, because `refer` puts one folder before every name.

    Args:
        jsonl (str | Path): The JSON-lines file.
        out (str | Path): Folder for both files, which must not be there yet.
        image_folder (str | Path, optional): Where the images lie, whose sizes are read. Defaults
            to the folder of the file.
        split (str, optional): Split of a file without splits, and of it alone.

    Returns:
        int: How many refs were written.

    Raises:
        DataError: A line or image cannot be used, a line means nothing (RefCOCO has no such
            refs), an `ann_id` has two masks, two images have one name, there is
            no split, or `out` has a file of the name.
    """
    jsonl, out = Path(jsonl), Path(out)
    files = out / 'instances.json', out / 'refs(unc).p'
    for path in files:
        if path.exists():
            raise DataError(f'{path} exists and is not overwritten. Choose another folder.')
    records = read_jsonl(str(jsonl), str(jsonl.parent))
    _check_splits(records, split, jsonl)
    content = _Content(str(image_folder or jsonl.parent), str(jsonl), records)
    refs = [content.ref(record, record['split'] or split) for record in records]
    content.note_folders()
    out.mkdir(parents=True, exist_ok=True)
    files[0].write_text(json.dumps(content.instances()), encoding='utf-8')
    files[1].write_bytes(pickle.dumps(refs, protocol=2))
    return len(refs)


class _Content:
    """Collect the images, annotations and categories of the records."""

    def __init__(self, image_folder: str, source: str, records: list[dict]) -> None:
        self.folder, self.source = image_folder, source
        self.images: dict[int, dict] = {}
        self.paths: dict[str, str] = {}  # of the image of each name
        self.annotations: dict[int, dict] = {}
        self.categories: dict[str, int] = {}
        taken = {record['img_id'] for record in records if record['img_id'] >= 0}
        # ids of our own numbering are negative; RefCOCO's count from 1
        self.shift = max(taken, default=0)

    def ref(self, record: dict, split: str) -> dict[str, Any]:
        """Add a record; return its ref."""
        where = f'{self.source}: ref {record["ref_id"]}'
        if record['no_target']:
            raise DataError(
                f'{where} means nothing (mask null), which RefCOCO files cannot say. Remove the '
                'line, or train on the JSON-lines file itself.'
            )
        image = self._image(record, where)
        category = self.categories.setdefault(
            record['category'] or CATEGORY, len(self.categories) + 1
        )
        self._annotation(record, image, category, where)
        stem, dot, suffix = image['file_name'].rpartition('.')
        return {
            'ref_id': record['ref_id'],
            'ann_id': record['ann_id'],
            'category_id': category,
            'image_id': image['id'],
            'file_name': f'{stem}_{record["ann_id"]}{dot}{suffix}',
            'split': split,
            'sent_ids': [sentence['sent_id'] for sentence in record['sentences']],
            'sentences': [_sentence(sentence) for sentence in record['sentences']],
        }

    def instances(self) -> dict[str, Any]:
        """Return the content of `instances.json`."""
        return {
            'info': {'description': f'Converted from {Path(self.source).name} by magnet_mm'},
            'licenses': [],
            'images': list(self.images.values()),
            'annotations': list(self.annotations.values()),
            'categories': [
                {'id': number, 'name': name, 'supercategory': name}
                for name, number in self.categories.items()
            ],
        }

    def _image(self, record: dict, where: str) -> dict[str, Any]:
        img_id = record['img_id'] if record['img_id'] >= 0 else self.shift - record['img_id']
        image = self.images.get(img_id)
        if image is None:
            path = path_inside(self.folder, record['file_name'], f'{where}: "image"')
            try:
                with open_image(path) as opened:
                    height, width = opened.height, opened.width
            except Exception as error:  # Pillow's readers raise many kinds
                raise DataError(
                    f'{where}: the image {path} cannot be read ({type(error).__name__}: {error}). '
                    'Check the image folder.'
                ) from error
            name = posixpath.basename(record['file_name'])
            image = dict(id=img_id, file_name=name, height=height, width=width)
            self.images[img_id] = image
            if self.paths.setdefault(name, record['file_name']) != record['file_name']:
                raise DataError(
                    f'{where}: {self.paths[name]} and {record["file_name"]} have one name, and '
                    '`refer` reads all images from one folder. Give them different names.'
                )
        if self.paths[image['file_name']] != record['file_name']:
            raise DataError(
                f'{where}: image_id {img_id} stands for {self.paths[image["file_name"]]} and for '
                f'{record["file_name"]}. Give every image its own image_id.'
            )
        return image

    def note_folders(self) -> None:
        """Say where the images must lie if they are in several folders."""
        folders = sorted({posixpath.dirname(path) or '.' for path in self.paths.values()})
        if len(folders) > 1:
            print_log(
                f'{self.source}: the images are in {len(folders)} folders ({", ".join(folders[:3])}'
                '...). Copy or link them into one, which the RefCOCO files then name.',
                logger='current',
                level=logging.WARNING,
            )

    def _annotation(self, record: dict, image: dict, category: int, where: str) -> None:
        segmentation = record['segmentation']
        rle = target_rle(record, image['height'], image['width'], where)
        if isinstance(segmentation, dict) or isinstance(segmentation[0], dict):
            counts = rle['counts'].decode('ascii')
            segmentation = [{'size': list(rle['size']), 'counts': counts}]
        annotation = {
            'id': record['ann_id'],
            'image_id': image['id'],
            'category_id': category,
            'segmentation': segmentation,
            'bbox': [float(value) for value in coco_mask.toBbox(rle)],
            'area': float(coco_mask.area(rle)),
            'iscrowd': 0,
        }
        if self.annotations.setdefault(record['ann_id'], annotation) != annotation:
            raise DataError(
                f'{where}: ann_id {record["ann_id"]} has another image, category or mask in an '
                'earlier line. Give every object its own ann_id.'
            )


def _check_splits(records: list[dict], split: str | None, jsonl: Path) -> None:
    """Every ref of RefCOCO has a split: the line's, or the one given for the whole file."""
    has_splits = records[0]['split'] is not None
    if has_splits == (split is not None):
        problem = 'has splits of its own' if has_splits else 'has no splits'
        advice = 'leave --split away' if has_splits else 'give --split, e.g. --split train'
        raise DataError(f'{jsonl} {problem}: {advice}.')


def _sentence(sentence: dict) -> dict[str, Any]:
    """Return a sentence in the format of RefCOCO."""
    text = sentence['raw']
    tokens = text.lower().split()
    said = {'raw': text, 'sent': ' '.join(tokens), 'sent_id': sentence['sent_id'], 'tokens': tokens}
    return said if sentence['kind'] is None else {**said, 'kind': sentence['kind']}
