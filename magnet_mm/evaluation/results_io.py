# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Per-item results on disk: one JSON line per (ref, sentence) with its predicted mask.

A line of ``items_<dataset>_<split>.jsonl`` (our choice) holds ``dataset_name``, ``split``,
``ref_id``, ``sent_id``, ``expression``, ``kind`` (or null), ``intersection`` and ``union``
(pixels), ``iou`` (0 to 1) and ``prediction``, the COCO compressed RLE
``{"size": [H, W], "counts": str}`` of the predicted mask at the resolution that was scored; at
input resolution ``letterbox`` (top, left, height, width), where the image lies in the input, if it
does not fill it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from magnet_mm.datasets.annotations.checks import check_kind
from magnet_mm.datasets.annotations.masks import MAX_PIXELS, check_rle, rle_to_mask
from magnet_mm.errors import DataError
from magnet_mm.json_lines import parse_object, read_lines, write_lines
from magnet_mm.text_safety import printable

Item = dict[str, Any]
ItemKey = tuple[str, str, int, int]

_FIELDS = {
    'dataset_name': str,
    'split': str,
    'ref_id': int,
    'sent_id': int,
    'expression': str,
    'intersection': int,
    'union': int,
    'iou': float,
    'prediction': dict,
}


def item_key(item: Item) -> ItemKey:
    """Return the identity of a test item: ``(dataset_name, split, ref_id, sent_id)``."""
    return item['dataset_name'], item['split'], item['ref_id'], item['sent_id']


def items_file(output_dir: str | os.PathLike[str], dataset_name: str, split: str) -> Path:
    """Name the file with the items of a split: ``<output_dir>/items_<dataset>_<split>.jsonl``.

    Characters that do not belong in a file name become ``-``.
    """
    name = re.sub(r'[^\w.+-]', '-', f'items_{dataset_name}_{split}', flags=re.ASCII)
    return Path(output_dir) / f'{name}.jsonl'


def encode_mask(mask: np.ndarray) -> dict[str, Any]:
    """Encode a mask [H, W] (0/1 or bool) as COCO compressed RLE whose ``counts`` is a str."""
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {'size': [int(side) for side in rle['size']], 'counts': rle['counts'].decode('ascii')}


def decode_mask(rle: dict[str, Any]) -> np.ndarray:
    """Decode a COCO compressed RLE (``counts`` str or bytes) to a uint8 mask [H, W] of 0 and 1.

    Raises:
        DataError: if ``rle`` is not a valid compressed RLE, whose runs cover its size exactly.
    """
    if not isinstance(rle, dict) or isinstance(rle.get('counts'), list):
        raise DataError(f"not a COCO compressed RLE with 'size' and 'counts': {type(rle).__name__}")
    return rle_to_mask(check_rle(rle, 'not a COCO compressed RLE'))


def write_items(path: str | os.PathLike[str], items: Iterable[Item]) -> None:
    """Write items as JSON lines, in the order given; the file appears complete or not at all."""
    write_lines(path, items)


def read_items(path: str | os.PathLike[str]) -> list[Item]:
    """Read the items written by :func:`write_items`, in file order.

    Raises:
        DataError: if the file is missing, a line is not JSON, a field is missing or of the wrong
            type, or two lines have the same key. The message names the file and the line.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(
            f'no per-item results at {path}: write them with `tools/test.py ... --out DIR`'
        )
    items: list[Item] = []
    seen: dict[ItemKey, int] = {}
    for number, line in read_lines(path):
        item = _parse_line(line, f'{path}, line {number}')
        key = item_key(item)
        if key in seen:
            raise DataError(
                f'{path}, line {number}: ref_id {item["ref_id"]}, sent_id {item["sent_id"]} '
                f'is already in line {seen[key]}; write the file again'
            )
        seen[key] = number
        items.append(item)
    return items


def _parse_line(line: str, where: str) -> Item:
    where = printable(where)
    item = parse_object(line, where)
    for field, kind in _FIELDS.items():
        value = item.get(field)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise DataError(
                f"{where}: field '{field}' should be {kind.__name__}, got "
                f'{printable(repr(value), 80) if isinstance(value, str | int) else _name(value)}'
            )
    check_kind(item.get('kind'), f"{where}: field 'kind'")
    if not 0 <= item['intersection'] <= item['union'] <= MAX_PIXELS or not 0 <= item['iou'] <= 1:
        raise DataError(
            f"{where}: 'intersection', 'union' and 'iou' are not the pixel counts of two masks and "
            'their ratio (0 <= intersection <= union, 0 <= iou <= 1); write the file again'
        )
    return item


def _name(value: Any) -> str:
    return 'None' if value is None else type(value).__name__
