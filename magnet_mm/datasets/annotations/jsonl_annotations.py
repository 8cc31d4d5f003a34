# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Reads own data: one JSON object per line, one line per described object (our format).

::

    {"image": "a.jpg", "expression": "the red mug", "mask": [[10, 10, 60, 10, 60, 50, 10, 50]]}

``image``: path below the image folder. ``expression`` (str) or ``expressions`` (list of str).
``mask``: polygons in pixels (one list of numbers, or a list of them), a COCO RLE dict (run lengths
or compressed) or a list of them, the path of a PNG below the mask folder (not 0 = object), or
null: nothing in the image is meant. Optional: ``split`` (in every line or in none), ``kind`` (a
short label, or one per expression), ``category``, and whole numbers ``ref_id``, ``ann_id``,
``image_id``, ``sent_ids``.
"""

from __future__ import annotations

import os
from typing import Any

from magnet_mm.datasets.annotations.checks import check_kind
from magnet_mm.datasets.annotations.masks import check_segmentation
from magnet_mm.errors import DataError
from magnet_mm.json_lines import parse_object, read_lines

FIELDS = {
    'image', 'expression', 'expressions', 'mask', 'split', 'kind', 'category',
    'ref_id', 'ann_id', 'image_id', 'sent_ids',
}  # fmt: skip


def read_jsonl(path: str, mask_folder: str = '') -> list[dict]:
    """Read and checks all lines.

    Args:
        path (str): The JSON-lines file, UTF-8; empty lines are allowed.
        mask_folder (str): Where mask PNGs lie.

    Returns:
        list[dict]: One record per line as `refer_annotations.load_records` gives them, with
        `split` (None where the file has none), `no_target`, `category`; `height` and `width` are
        absent. The mask is `segmentation` (COCO form, or {'png': path}), or `segmentations=[]`
        for null. `ref_id` and `ann_id` default to the line's number, `sent_id` counts the
        sentences of the file, and `img_id` the images from -1 downwards, so that they are never
        taken for COCO's ids.

    Raises:
        DataError: The file is missing or empty, a line is malformed, ids repeat, or a path leads
            out of its folder. The message names the line.
    """
    lines = [
        (number, parse_line(text, f'{path}, line {number}', mask_folder))
        for number, text in read_lines(path, 'Check `ann_file`.')
    ]
    return complete_records(lines, path)


def complete_records(lines: list[tuple[int, dict]], path: str) -> list[dict]:
    """Give the records of a file's lines their default ids, and checks them together.

    Raises:
        DataError: There is no line, a ref_id repeats, or some lines only have a split.
    """
    records, image_ids, sentences = [], {}, 0
    seen: dict[int, int] = {}
    for number, record in lines:
        for entry in record['sentences']:
            entry.setdefault('sent_id', sentences)
            sentences += 1
        record.setdefault('ref_id', number)
        record.setdefault('ann_id', record['ref_id'])
        record.setdefault('img_id', image_ids.setdefault(record['file_name'], -len(image_ids) - 1))
        first = seen.setdefault(record['ref_id'], number)
        if first != number:
            raise DataError(
                f'{path}, line {number}: ref_id {record["ref_id"]} is already in line {first}. '
                'Give every line its own ref_id, or none to any.'
            )
        records.append(record)
    if not records:
        raise DataError(f'{path}: the file has no line. Write one JSON object per line.')
    with_split = sum(record['split'] is not None for record in records)
    if with_split not in (0, len(records)):
        raise DataError(
            f'{path}: {with_split} of {len(records)} lines have a "split". Give one to every line, '
            'or to none (one file per split).'
        )
    return records


def select_jsonl_split(records: list[dict], split: str, path: str) -> list[dict]:
    """Return the records of a split; all of them if the file has no splits.

    Raises:
        DataError: No line has this split; the message lists the splits there are.
    """
    if records[0]['split'] is None:
        return records
    selected = [record for record in records if record['split'] == split]
    if not selected:
        found = ', '.join(sorted({record['split'] for record in records}))
        raise DataError(f'{path}: no line belongs to split "{split}". The splits are: {found}.')
    return selected


def parse_line(text: str, where: str, mask_folder: str = '') -> dict:
    """Check one line and turns it into a record, without the defaults that need other lines.

    Raises:
        DataError: The line is no JSON object, or a field is missing, unknown or of the wrong type.
    """
    line = parse_object(text, where)
    unknown = sorted(set(line) - FIELDS)
    if unknown:
        raise DataError(f'{where}: unknown field(s) {unknown}. Known are: {sorted(FIELDS)}.')
    if not isinstance(line.get('image'), str) or not line['image']:
        raise DataError(f'{where}: "image" must be the path of the image, as a string.')
    if 'mask' not in line:
        raise DataError(f'{where}: there is no "mask"; write null where nothing is meant.')
    for name in ('split', 'category'):
        if not isinstance(line.get(name, ''), str):
            raise DataError(f'{where}: "{name}" must be a string.')
    record = dict(
        file_name=line['image'],
        split=line.get('split'),
        category=line.get('category'),
        sentences=_sentences(line, where),
        no_target=line['mask'] is None,
        **parse_mask(line['mask'], where, mask_folder),
    )
    for name, key in (('ref_id', 'ref_id'), ('ann_id', 'ann_id'), ('image_id', 'img_id')):
        if name in line:
            if not _is_id(line[name]):
                raise DataError(f'{where}: "{name}" must be a whole number.')
            record[key] = line[name]
    return record


def parse_mask(mask: Any, where: str, folder: str = '') -> dict:
    """Return the `segmentation` or `segmentations` of a record.

    Raises:
        DataError: The mask has none of the forms, or its path leads out of the folder.
    """
    if mask is None:
        return dict(segmentations=[])
    if isinstance(mask, str):
        return dict(segmentation=dict(png=path_inside(folder, mask, f'{where}: "mask"')))
    if isinstance(mask, list) and mask and not isinstance(mask[0], list | dict):
        mask = [mask]
    check_segmentation(mask, where)
    return dict(segmentation=mask)


def path_inside(folder: str, path: str, where: str) -> str:
    """Join a path from a file with its folder, and makes sure that it stays inside.

    Args:
        folder (str): The folder; links in it are the user's own and followed.
        path (str): Relative path, as the file states it.
        where (str): File, line and field, for the message.

    Returns:
        str: The joined path.

    Raises:
        DataError: The path is absolute, or leads out by `..` or by a symbolic link.
    """
    joined = os.path.join(folder, path)
    # realpath raises ValueError on a null byte
    try:
        root, target = os.path.realpath(folder or '.'), os.path.realpath(joined)
    except ValueError as error:
        raise DataError(f'{where}: {path!r:.80} is no path ({error}).') from error
    if os.path.isabs(path) or os.path.commonpath([root, target]) != root or target == root:
        raise DataError(
            f'{where}: {path!r:.80} leads out of {folder or "."} (absolute, "..", or a symbolic '
            'link). Files named in the data must lie below it; set `data_root` or `data_prefix` '
            'to the folder that really holds them.'
        )
    return joined


def _sentences(line: dict, where: str) -> list[dict]:
    """Return the sentences of a line as dicts `raw, kind[, sent_id]`."""
    if ('expression' in line) == ('expressions' in line):
        raise DataError(f'{where}: give "expression" (a string) or "expressions" (a list).')
    texts = [line['expression']] if 'expression' in line else line['expressions']
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise DataError(f'{where}: the expressions must be strings, at least one.')
    kinds = line.get('kind')
    kinds = kinds if isinstance(kinds, list) else [kinds] * len(texts)
    if len(kinds) != len(texts):
        raise DataError(f'{where}: "kind" must be a string, or one string per expression.')
    for kind in kinds:
        check_kind(kind, f'{where}: "kind"')
    sentences = [dict(raw=text, kind=kind) for text, kind in zip(texts, kinds, strict=True)]
    if 'sent_ids' in line:
        ids = line['sent_ids']
        if not isinstance(ids, list) or len(ids) != len(texts) or not all(map(_is_id, ids)):
            raise DataError(f'{where}: "sent_ids" must hold one whole number per expression.')
        if len(set(ids)) != len(ids):
            raise DataError(f'{where}: "sent_ids" repeats a number.')
        for sentence, sent_id in zip(sentences, ids, strict=True):
            sentence['sent_id'] = sent_id
    return sentences


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
