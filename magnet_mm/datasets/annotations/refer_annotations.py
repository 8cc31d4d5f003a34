# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Joins `instances.json` and the refs of the RefCOCO family to checked records."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from mmengine import fileio

from magnet_mm.datasets.annotations.checks import check_fields
from magnet_mm.datasets.annotations.large_json import load_filtered
from magnet_mm.datasets.annotations.masks import MAX_PIXELS, check_segmentation
from magnet_mm.datasets.annotations.refs_reader import KINDS, read_refs, select_split
from magnet_mm.datasets.image_paths import check_file_name
from magnet_mm.errors import DataError


def read_instances(
    ann_file: str, image_ids: Collection[int], ann_ids: Collection[int]
) -> tuple[dict[int, dict], dict[int, dict], dict[int, str]]:
    """Read the wanted images and annotations of an `instances.json`, and its categories.

    Args:
        ann_file (str): Path of `instances.json`.
        image_ids (Collection[int]): Images to keep.
        ann_ids (Collection[int]): Annotations to keep.

    Returns:
        tuple[dict, dict, dict]: Images and annotations by id, and the names of the categories.
        Wanted ids that the file does not have are absent.

    Raises:
        DataError: The file cannot be read, is no JSON, lacks `images` or `annotations`, or holds
            two different entries of one wanted id.
    """
    try:
        content = load_filtered(
            fileio.get(ann_file),
            dict(images=_entry_of(image_ids), annotations=_entry_of(ann_ids)),
        )
    except OSError as error:
        raise DataError(
            f'{ann_file}: the annotation file cannot be read ({error}). Check `data_root` and '
            '`ann_file`: it is expected at <data_root>/<dataset>/instances.json.'
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f'{ann_file}: not valid JSON ({type(error).__name__}: {error}). The download is '
            'probably damaged or truncated; download the file again.'
        ) from error
    if not isinstance(content, dict) or not {'images', 'annotations'} <= content.keys():
        raise DataError(
            f'{ann_file}: expected a COCO file with "images" and "annotations". Check that '
            '`ann_file` names instances.json.'
        )
    return (
        _index_by_id(content['images'], image_ids, f'{ann_file}: "images"'),
        _index_by_id(content['annotations'], ann_ids, f'{ann_file}: "annotations"'),
        _category_names(content.get('categories')),
    )


def load_records(
    ann_file: str, refs_file: str, split: str, generalized: bool | None = False
) -> list[dict]:
    """Join the refs of one split with their annotations and images.

    Args:
        ann_file (str): Path of `instances.json`.
        refs_file (str): Path of the refs file.
        split (str): Name of the split in the refs file.
        generalized (bool, optional): Whether it is one of gRefCOCO; None asks its content.

    Returns:
        list[dict]: One record per ref, in file order: `ref_id, ann_id, img_id, file_name,
        height, width` (pixels), `category` (name, or None), `segmentation` (as stored),
        `sentences` (list of dicts `raw, sent_id, kind`). In gRefCOCO `ann_id` is a tuple of ids,
        in place of `segmentation` there are `segmentations` (a list, empty for no target) and
        `no_target`, and the kind of a sentence is one of `refs_reader.KINDS` where the file gives
        none. Crowd regions are left out there, as in the released ReLA code (unless nothing else
        is meant: our choice).

    Raises:
        DataError: A file is missing or damaged, the split is unknown, a ref has no annotation,
            an annotation has no image or belongs to another one, a segmentation is malformed, or
            a file name leads out of the image directory.
    """
    refs = select_split(read_refs(refs_file, generalized), split, refs_file)
    images, annotations, categories = read_instances(
        ann_file,
        {ref['image_id'] for ref in refs},
        {target for ref in refs for target in _ids(ref)},
    )
    for image in images.values():
        _check_image(image, f'{ann_file}: image {image["id"]}')
    return [_join(ref, images, annotations, categories, ann_file, refs_file) for ref in refs]


def _ids(ref: dict) -> list[int]:
    """Return the annotation ids of a ref."""
    return ref['ann_id'] if isinstance(ref['ann_id'], list) else [ref['ann_id']]


def _join(
    ref: dict, images: dict, annotations: dict, categories: dict, ann_file: str, refs_file: str
) -> dict:
    """One record out of a ref, its annotations and its image."""
    who = f'{refs_file}: ref {ref["ref_id"]}'
    together = 'Refs and instances must come from the same dataset; check both paths or download '
    for ann_id in _ids(ref):
        if ann_id not in annotations:
            raise DataError(
                f'{who} points to annotation {ann_id}, which {ann_file} does not have. {together}'
                'them again.'
            )
    image = images.get(ref['image_id'])
    if image is None:
        meant = f' (annotation {_ids(ref)[0]})' if _ids(ref) else ''
        raise DataError(
            f'{who} points to image {ref["image_id"]}{meant}, which {ann_file} does not have. '
            f'{together}them again.'
        )
    targets = [annotations[ann_id] for ann_id in _ids(ref)]
    for target in targets:
        if target.get('image_id') != ref['image_id']:
            raise DataError(
                f'{who} is on image {ref["image_id"]}, but its annotation {target["id"]} in '
                f'{ann_file} is on image {target.get("image_id")}. Check both files.'
            )
        where = f'{ann_file}: annotation {target["id"]} of ref {ref["ref_id"]}'
        check_segmentation(target.get('segmentation'), where)
    names = {categories.get(_plain(target.get('category_id'))) for target in targets}
    record = dict(
        ref_id=ref['ref_id'],
        ann_id=ref['ann_id'],
        img_id=ref['image_id'],
        file_name=image['file_name'],
        height=image['height'],
        width=image['width'],
        category=names.pop() if len(names) == 1 else None,
        sentences=ref['sentences'],
    )
    if not isinstance(ref['ann_id'], list):
        return dict(record, segmentation=targets[0]['segmentation'])
    kind = KINDS[min(len(targets), 2)]
    things = [target for target in targets if not target.get('iscrowd')] or targets
    return dict(
        record,
        ann_id=tuple(ref['ann_id']),
        segmentations=[thing['segmentation'] for thing in things],
        no_target=not targets,
        sentences=[dict(said, kind=said['kind'] or kind) for said in ref['sentences']],
    )


def _check_image(image: dict, where: str) -> None:
    """Check one entry of `images`: fields, a size that an image can have, and the file's name."""
    check_fields(image, dict(file_name=str, height=int, width=int), where)
    height, width = image['height'], image['width']
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise DataError(
            f'{where} is said to be {height} x {width} (height, width), which is no image of at '
            f'least 1 and at most {MAX_PIXELS} pixels. Correct or download the file again.'
        )
    check_file_name(image['file_name'], where)


def _category_names(categories: Any) -> dict[int, str]:
    """Names by id; training does not need them, so malformed entries are passed over."""
    entries = categories if isinstance(categories, list) else []
    return {
        entry['id']: entry['name']
        for entry in entries
        if isinstance(entry, dict)
        and type(entry.get('id')) is int
        and isinstance(entry.get('name'), str)
    }


def _entry_of(wanted: Collection[int]) -> Callable[[Any], bool]:
    """Keep the wanted entries, and what is none, for :func:`_index_by_id` to say so."""

    def keep(entry: Any) -> bool:
        number = entry.get('id') if isinstance(entry, dict) else None
        return type(number) is not int or number in wanted

    return keep


def _plain(value: Any) -> int | None:
    return value if type(value) is int else None


def _index_by_id(entries: Any, wanted: Collection[int], where: str) -> dict[int, dict]:
    """Return the wanted entries of a COCO list, by id."""
    if not isinstance(entries, list):
        raise DataError(f'{where} is not a list. Check that `ann_file` names instances.json.')
    index: dict[int, dict] = {}
    for entry in entries:
        if not isinstance(entry, dict) or type(entry.get('id')) is not int:
            raise DataError(
                f'{where} has an entry without an integer "id". Download the file again.'
            )
        if entry['id'] in wanted and index.setdefault(entry['id'], entry) != entry:
            raise DataError(
                f'{where} has two different entries with id {entry["id"]}, and nothing tells which '
                'one is right. Correct or download the file again.'
            )
    return index
