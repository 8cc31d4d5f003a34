# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Reads `instances.json` and `refs(<split_by>).p` of the RefCOCO family into checked records."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from mmengine import fileio

from magnet_mm.datasets.annotations.masks import MAX_PIXELS, check_segmentation
from magnet_mm.datasets.annotations.refer_pickle import load_plain_pickle
from magnet_mm.datasets.expressions import check_kind
from magnet_mm.datasets.image_paths import check_file_name
from magnet_mm.errors import DataError
from magnet_mm.text_safety import printable

_MAX_INT = 2**63 - 1
_REF_FIELDS = dict(ref_id=int, ann_id=int, image_id=int, split=str, sentences=list)
_SENTENCE_FIELDS = dict(raw=str, sent_id=int)


def read_refs(refs_file: str) -> list[dict]:
    """Read and check all refs of a refs file.

    Args:
        refs_file (str): Path of `refs(<split_by>).p`.

    Returns:
        list[dict]: The refs in file order, with `ref_id, ann_id, image_id, split, sentences`.

    Raises:
        DataError: The file cannot be read, is no list of refs, or a ref lacks a field, has no
            sentence, or repeats a `ref_id` or, within the ref, a `sent_id`.

    Source: docs/data.md. Several refs may share one `ann_id`, so `ref_id` is the key.
    """
    refs = load_plain_pickle(refs_file)
    if not isinstance(refs, list) or not refs:
        raise DataError(
            f'{refs_file}: expected a non-empty list of refs, found {type(refs).__name__}. '
            'Check that `refs_file` names a refs(<split_by>).p file.'
        )
    seen: set[int] = set()
    lists: set[int] = set()
    for position, ref in enumerate(refs):
        _check_fields(ref, _REF_FIELDS, f'{refs_file}: ref number {position}')
        where = f'{refs_file}: ref {ref["ref_id"]}'
        if ref['ref_id'] in seen:
            raise DataError(f'{where} occurs twice. Correct or download the file again.')
        seen.add(ref['ref_id'])
        if id(ref['sentences']) in lists:  # a small file could stand for any number of items
            raise DataError(
                f'{where} shares its list of sentences with another ref. Check the file.'
            )
        lists.add(id(ref['sentences']))
        _check_sentences(ref['sentences'], where)
    return refs


def select_split(refs: list[dict], split: str, refs_file: str) -> list[dict]:
    """Return the refs of one split, in file order.

    Raises:
        DataError: No ref has this split; the message lists the splits there are.
    """
    selected = [ref for ref in refs if ref['split'] == split]
    if not selected:
        found = ', '.join(sorted({printable(ref['split'], 40) for ref in refs})[:20])
        raise DataError(
            f'{refs_file}: no ref belongs to split "{split}". The splits in this file are: '
            f'{found}. Set `split` to one of them or choose another refs file.'
        )
    return selected


def held_out_image_ids(refs_file: str, splits: Collection[str] | None = None) -> set[int]:
    """Ids of the images that a refs file uses in the given splits.

    Args:
        refs_file (str): Path of `refs(<split_by>).p` or `grefs(<split_by>).json`.
        splits (Collection[str], optional): Split names. Defaults to every split but `train`.

    Returns:
        set[int]: COCO image ids; comparable between all datasets on COCO train2014.

    Raises:
        DataError: The file cannot be read or has none of a named split.
    """
    if refs_file.endswith('.json'):  # gRefCOCO; its reader imports this module
        from magnet_mm.datasets.annotations.generalized_annotations import read_grefs

        refs = read_grefs(refs_file)
    else:
        refs = read_refs(refs_file)
    if splits is None:
        return {ref['image_id'] for ref in refs if ref['split'] != 'train'}
    chosen = (ref for split in splits for ref in select_split(refs, split, refs_file))
    return {ref['image_id'] for ref in chosen}


def read_instances(
    ann_file: str, image_ids: Collection[int], ann_ids: Collection[int]
) -> tuple[dict[int, dict], dict[int, dict]]:
    """Read the wanted images and annotations of an `instances.json`.

    Args:
        ann_file (str): Path of `instances.json`.
        image_ids (Collection[int]): Images to keep.
        ann_ids (Collection[int]): Annotations to keep.

    Returns:
        tuple[dict, dict]: Images and annotations, each by id. Wanted ids that the file does not
        have are absent.

    Raises:
        DataError: The file cannot be read, is no JSON, lacks `images` or `annotations`, or holds
            two different entries of one wanted id.
    """
    try:
        content = json.loads(fileio.get(ann_file))
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
    )


def load_records(ann_file: str, refs_file: str, split: str) -> list[dict]:
    """Join the refs of one split with their annotations and images.

    Args:
        ann_file (str): Path of `instances.json`.
        refs_file (str): Path of `refs(<split_by>).p`.
        split (str): Name of the split in the refs file.

    Returns:
        list[dict]: One record per ref, in file order: `ref_id, ann_id, img_id, file_name,
        height, width` (pixels), `segmentation` (as stored), `sentences` (list of dicts `raw,
        sent_id, kind`).

    Raises:
        DataError: A file is missing or damaged, the split is unknown, a ref has no annotation,
            an annotation has no image or belongs to another one, a segmentation is malformed, or
            a file name leads out of the image directory.
    """
    refs = select_split(read_refs(refs_file), split, refs_file)
    images, annotations = read_instances(
        ann_file, {ref['image_id'] for ref in refs}, {ref['ann_id'] for ref in refs}
    )
    for image in images.values():
        _check_image(image, f'{ann_file}: image {image["id"]}')
    return [_join(ref, images, annotations, ann_file, refs_file) for ref in refs]


def _join(ref: dict, images: dict, annotations: dict, ann_file: str, refs_file: str) -> dict:
    """One record out of a ref, its annotation and its image."""
    who = f'{refs_file}: ref {ref["ref_id"]}'
    annotation = annotations.get(ref['ann_id'])
    if annotation is None:
        raise DataError(
            f'{who} points to annotation {ref["ann_id"]}, which {ann_file} does not have. Refs and '
            'instances must come from the same dataset; check both paths or download them again.'
        )
    image = images.get(ref['image_id'])
    if image is None:
        raise DataError(
            f'{who} points to image {ref["image_id"]} (annotation {ref["ann_id"]}), which '
            f'{ann_file} does not have. Refs and instances must come from the same dataset; check '
            'both paths or download them again.'
        )
    if annotation.get('image_id') != ref['image_id']:
        raise DataError(
            f'{who} is on image {ref["image_id"]}, but its annotation {ref["ann_id"]} in '
            f'{ann_file} is on image {annotation.get("image_id")}. Check both files.'
        )
    check_segmentation(
        annotation.get('segmentation'),
        f'{ann_file}: annotation {ref["ann_id"]} of ref {ref["ref_id"]}',
    )
    return dict(
        ref_id=ref['ref_id'],
        ann_id=ref['ann_id'],
        img_id=ref['image_id'],
        file_name=image['file_name'],
        height=image['height'],
        width=image['width'],
        segmentation=annotation['segmentation'],
        sentences=[
            dict(raw=sentence['raw'], sent_id=sentence['sent_id'], kind=sentence.get('kind'))
            for sentence in ref['sentences']
        ],
    )


def _check_sentences(sentences: list, where: str) -> None:
    """Check the sentences of one ref."""
    if not sentences:
        raise DataError(f'{where} has no sentence. Correct or download the file again.')
    seen: set[int] = set()
    for sentence in sentences:
        _check_fields(sentence, _SENTENCE_FIELDS, f'{where}, sentence')
        sent_id = sentence['sent_id']
        if sent_id in seen:
            raise DataError(
                f'{where} has sentence {sent_id} twice. Correct or download the file again.'
            )
        seen.add(sent_id)
        check_kind(sentence.get('kind'), f'{where}, sentence {sent_id}: field "kind"')


def _check_image(image: dict, where: str) -> None:
    """Check one entry of `images`: fields, a size that an image can have, and the file's name."""
    _check_fields(image, dict(file_name=str, height=int, width=int), where)
    height, width = image['height'], image['width']
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise DataError(
            f'{where} is said to be {height} x {width} (height, width), which is no image of at '
            f'least 1 and at most {MAX_PIXELS} pixels. Correct or download the file again.'
        )
    check_file_name(image['file_name'], where)


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


def _check_fields(value: Any, fields: dict[str, type], where: str) -> None:
    """Check that `value` is a dict with the named fields of the named types."""
    if not isinstance(value, dict):
        raise DataError(f'{where} is no dict but {type(value).__name__}. Check the file.')
    for name, kind in fields.items():
        found = value.get(name)
        if type(found) is not kind or (kind is int and not -_MAX_INT <= found <= _MAX_INT):
            what = 'nothing' if name not in value else type(found).__name__
            if type(found) is int and kind is int:
                what = 'one that 64 bits cannot hold'
            raise DataError(
                f'{where}: field "{name}" must be {kind.__name__}, found {what}. '
                'Correct or download the file again.'
            )
