# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Writes records as JSON lines."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from magnet_mm.datasets.annotations.target_masks import target_rle
from magnet_mm.errors import DataError
from magnet_mm.json_lines import write_lines


def to_line(record: dict, split: str | None, image_prefix: str = '') -> dict[str, Any]:
    """Return the JSON object of a record, with all ids.

    Args:
        record (dict): As `refer_annotations.load_records` gives it.
        split (str, optional): Its split.
        image_prefix (str): Folder put before the image's name.

    Returns:
        dict: A line of our format. Several segmentations become their union.

    Raises:
        DataError: Some of its sentences mean nothing (R-RefCOCO), and a line has one mask.
    """
    sentences = record['sentences']
    if any(sentence.get('no_target') for sentence in sentences):
        raise DataError(
            f'ref {record["ref_id"]} has sentences that mean nothing beside others that do '
            '(R-RefCOCO), which one line cannot say. Train and test on the refs file itself.'
        )
    kinds = [sentence['kind'] for sentence in sentences]
    line: dict[str, Any] = dict(
        image=posixpath.join(image_prefix, record['file_name']),
        expressions=[sentence['raw'] for sentence in sentences],
        mask=_mask(record),
        ref_id=record['ref_id'],
        image_id=record['img_id'],
        sent_ids=[sentence['sent_id'] for sentence in sentences],
    )
    if isinstance(record['ann_id'], int):
        line['ann_id'] = record['ann_id']
    if split is not None:
        line['split'] = split
    if any(kind is not None for kind in kinds):
        line['kind'] = kinds if len(set(kinds)) > 1 else kinds[0]
    if record.get('category') is not None:
        line['category'] = record['category']
    return line


def write_jsonl(path: str | Path, lines: Iterable[dict]) -> int:
    """Write lines; the file appears complete or not at all.

    Returns:
        int: How many lines.

    Raises:
        DataError: The file exists.
    """
    path = Path(path)
    if path.exists():
        raise DataError(f'{path} exists and is not overwritten. Choose another name.')
    return write_lines(path, lines)


def _mask(record: dict) -> Any:
    """Return the mask of a record; polygons stay polygons, since they are united when drawn."""
    if 'segmentation' in record:
        return record['segmentation']
    parts = record['segmentations']
    if not parts:
        return None
    if all(isinstance(part, list) and isinstance(part[0], list) for part in parts):
        return [polygon for part in parts for polygon in part]
    rle = target_rle(record, record['height'], record['width'], f'ref {record["ref_id"]}')
    return {'size': list(rle['size']), 'counts': rle['counts'].decode('ascii')}
