# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Reads `grefs(<split_by>).json` of gRefCOCO: expressions that mean several objects, or none."""

from __future__ import annotations

import json
import os.path as osp
from typing import Any

from mmengine import fileio

from magnet_mm.datasets.annotations.masks import check_segmentation
from magnet_mm.datasets.annotations.refer_annotations import read_instances, select_split
from magnet_mm.datasets.annotations.refer_pickle import load_plain_pickle
from magnet_mm.errors import DataError

NO_TARGET = -1
KINDS = ('no-target', 'single-target', 'multi-target')
_FIELDS = dict(ref_id=int, image_id=int, split=str, sentences=list)


def read_grefs(refs_file: str) -> list[dict]:
    """Read and check all refs of a gRefCOCO file.

    Args:
        refs_file (str): Path of `grefs(<split_by>).json`, or a pickle of the same content (`.p`).

    Returns:
        list[dict]: The refs in file order, `ann_id` always a list, empty for no target.

    Raises:
        DataError: The file cannot be read, is no list of refs, or a ref lacks a field, has no
            sentence, contradicts itself about having no target, or repeats a `ref_id`.

    Source: docs/data.md; `ann_id` [-1] for no target also in the released ReLA code.
    """
    refs = load_plain_pickle(refs_file) if refs_file.endswith('.p') else _read_json(refs_file)
    if not isinstance(refs, list) or not refs:
        raise DataError(
            f'{refs_file}: expected a non-empty list of refs, found {type(refs).__name__}. '
            'Check that `refs_file` names a grefs(<split_by>).json file.'
        )
    seen: set[int] = set()
    checked = []
    for position, ref in enumerate(refs):
        where = f'{refs_file}: ref number {position}'
        for name, kind in _FIELDS.items():
            if not isinstance(ref, dict) or not isinstance(ref.get(name), kind):
                raise DataError(f'{where}: "{name}" must be {kind.__name__}. Correct the file.')
        if ref['ref_id'] in seen:
            raise DataError(f'{where}: ref_id {ref["ref_id"]} occurs twice. Correct the file.')
        seen.add(ref['ref_id'])
        checked.append({**ref, 'ann_id': _targets(ref, where), 'sentences': _said(ref, where)})
    return checked


def load_generalized_records(ann_file: str, refs_file: str, split: str) -> list[dict]:
    """Join the refs of one split with their annotations and images.

    Args:
        ann_file (str): Path of `instances.json`.
        refs_file (str): Path of `grefs(<split_by>).json`.
        split (str): Name of the split.

    Returns:
        list[dict]: Records as `refer_annotations.load_records` gives them, with a tuple of ids as
        `ann_id`, `segmentations` (a list, empty for no target) and `no_target`. The kind of a
        sentence is one of :data:`KINDS` where the file gives none.

    Raises:
        DataError: As `read_grefs`; an annotation or image is missing, or they disagree.

    Source: crowd regions are left out, as in the released ReLA code (unless nothing else is
    meant: our choice).
    """
    refs = select_split(read_grefs(refs_file), split, refs_file)
    images, annotations = read_instances(
        ann_file,
        {ref['image_id'] for ref in refs},
        {target for ref in refs for target in ref['ann_id']},
    )
    return [_join(ref, images, annotations, ann_file, refs_file) for ref in refs]


def _join(ref: dict, images: dict, annotations: dict, ann_file: str, refs_file: str) -> dict:
    """One record out of a ref, its annotations and its image."""
    who = f'{refs_file}: ref {ref["ref_id"]}'
    image = images.get(ref['image_id'])
    sides = {'file_name': str, 'height': int, 'width': int}
    if image is None or not all(isinstance(image.get(key), kind) for key, kind in sides.items()):
        raise DataError(
            f'{who} points to image {ref["image_id"]}, which {ann_file} does not have (with '
            'file_name, height and width). Get both files from one download.'
        )
    if osp.isabs(image['file_name']) or '..' in image['file_name'].replace('\\', '/').split('/'):
        raise DataError(
            f'{ann_file}: image {image["id"]} has the file name {image["file_name"]!r:.80}, which '
            'leads out of the image folder. Do not use this file; get it from a source you trust.'
        )
    targets = []
    for ann_id in ref['ann_id']:
        annotation = annotations.get(ann_id)
        if annotation is None or annotation.get('image_id') != ref['image_id']:
            raise DataError(
                f'{who} means annotation {ann_id} on image {ref["image_id"]}, which {ann_file} '
                'does not have there. Get both files from one download.'
            )
        check_segmentation(annotation.get('segmentation'), f'{ann_file}: annotation {ann_id}')
        targets.append(annotation)
    kind = KINDS[min(len(targets), 2)]
    things = [target for target in targets if not target.get('iscrowd')] or targets
    return dict(
        ref_id=ref['ref_id'],
        ann_id=tuple(ref['ann_id']),
        img_id=ref['image_id'],
        file_name=image['file_name'],
        height=image['height'],
        width=image['width'],
        segmentations=[thing['segmentation'] for thing in things],
        no_target=not targets,
        sentences=[
            dict(raw=said['raw'], sent_id=said['sent_id'], kind=said['kind'] or kind)
            for said in ref['sentences']
        ],
    )


def _targets(ref: dict, where: str) -> list[int]:
    """Return the annotation ids of a ref; an empty list for no target."""
    ids = ref.get('ann_id')
    ids = [ids] if isinstance(ids, int) else ids
    if not isinstance(ids, list) or not all(isinstance(one, int) for one in ids):
        raise DataError(f'{where}: "ann_id" must be a list of whole numbers. Correct the file.')
    targets = [] if ids == [NO_TARGET] else list(dict.fromkeys(ids))
    if NO_TARGET in targets or bool(ref.get('no_target', not targets)) != (not targets):
        raise DataError(
            f'{where}: ann_id {ids} and no_target={ref.get("no_target")} contradict each other. '
            'Correct or download the file again.'
        )
    return targets


def _said(ref: dict, where: str) -> list[dict]:
    """Return the sentences of a ref as dicts `raw, sent_id, kind`."""
    said = []
    for sentence in ref['sentences']:
        text = sentence.get('raw', sentence.get('sent')) if isinstance(sentence, dict) else None
        if not isinstance(text, str) or not isinstance(sentence.get('sent_id'), int):
            raise DataError(f'{where}: a sentence lacks "raw" or "sent_id". Correct the file.')
        said.append(dict(raw=text, sent_id=sentence['sent_id'], kind=sentence.get('kind')))
    if not said:
        raise DataError(f'{where} has no sentence. Correct or download the file again.')
    return said


def _read_json(path: str) -> Any:
    try:
        return json.loads(fileio.get(path))
    except OSError as error:
        raise DataError(
            f'{path}: the refs file cannot be read ({error}). It is expected at '
            '<data_root>/grefcoco/grefs(<split_by>).json.'
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f'{path}: not valid JSON ({error}). Download the file again.') from error
