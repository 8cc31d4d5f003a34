# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
r"""Reads predicted masks: JSON lines, a folder of PNGs, or an ``.npz``.

- **JSON lines**: our own ``items_*.jsonl`` (``evaluation/results_io.py``), or the minimal form
  ``{"ref_id": 1, "sent_id": 4, "size": [480, 640], "counts": "..."}``: COCO's RLE, ``counts``
  compressed or a list of run lengths; without ``size`` it is the image's. Optional: ``no_target``
  (the model says that nothing is meant) and ``letterbox`` ([top, left, height, width], where the
  image lies in a network's input). Other fields are not read.
- **PNG**: ``<ref_id>_<sent_id>.png``, one channel, 0 where the object is not.
- **npz**: arrays ``<ref_id>_<sent_id>`` of ``[H, W]``, 0 where the object is not.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from magnet_mm.datasets.annotations.masks import MAX_PIXELS, check_rle
from magnet_mm.datasets.annotations.target_masks import read_mask_png
from magnet_mm.errors import DataError
from magnet_mm.json_lines import parse_object, read_lines
from magnet_mm.scoring.benchmark import Key, Size
from magnet_mm.scoring.problems import Problems
from magnet_mm.text_safety import printable

_NAME = re.compile(r'(-?\d+)_(-?\d+)', re.ASCII)
_UNKNOWN = {'size': (1, 1), 'counts': [1]}
_RECORDED = ('dataset_name', 'split', 'expression', 'intersection', 'union')


@dataclass(frozen=True)
class PredictedMask:
    """One predicted mask.

    Attributes:
        rle: compressed RLE whose runs were checked, ``size`` and ``counts``.
        where: file and line, or file and name, for messages.
        letterbox: top, left, height, width of the image in it, if it does not fill it.
        no_target: what the model answers, where it does.
        recorded: what our own dumps state beside the mask.
    """

    rle: dict
    where: str
    letterbox: tuple[int, int, int, int] | None = None
    no_target: bool | None = None
    recorded: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        return tuple(self.rle['size'])


def read_predictions(
    path: str | os.PathLike[str], image_size: Callable[[Key], Size | None]
) -> dict[Key, PredictedMask]:
    """Read all predicted masks of a file or folder.

    Args:
        path: JSON lines (``.jsonl``, ``.json``), a folder of PNGs, or an ``.npz``.
        image_size: Height and width of the image of an item, None where there is no such item.

    Raises:
        DataError: There is no such file, something in it is no mask, or items occur twice.
    """
    path = Path(path)
    if path.is_dir():
        found = _read_folder(path)
    elif path.suffix == '.npz':
        found = _read_npz(path)
    elif path.suffix in ('.jsonl', '.json'):
        found = _read_lines(path, image_size)
    else:
        raise DataError(
            f'{path}: predictions are a .jsonl file, a folder of PNGs or an .npz (docs/scoring.md).'
        )
    masks: dict[Key, PredictedMask] = {}
    problems = Problems(f'{path} cannot be scored')
    for key, mask in found:
        first = masks.setdefault(key, mask)
        if first is not mask:
            problems.add('double', f'{named(key)} ({first.where}, and {mask.where})')
    problems.raise_if_any()
    return masks


def named(key: Key) -> str:
    """Name an item in a message."""
    return f'ref_id {key[0]}, sent_id {key[1]}'


def _read_lines(
    path: Path, image_size: Callable[[Key], Size | None]
) -> Iterator[tuple[Key, PredictedMask]]:
    for number, text in read_lines(path):
        where = f'{path}, line {number}'
        line = parse_object(text, where)
        key = line.get('ref_id'), line.get('sent_id')
        if [type(part) for part in key] != [int, int]:
            raise DataError(f'{where}: "ref_id" and "sent_id" must be whole numbers.')
        rle = line.get('prediction', line)
        if rle is line and 'size' not in line:
            size = image_size(key)  # an item that nobody knows is named after all are read
            rle = {**line, 'size': size} if size else _UNKNOWN
        rle = check_rle(rle, where)
        answer = line.get('predicted_no_target', line.get('no_target'))
        if not isinstance(answer, bool | None):
            raise DataError(f'{where}: "no_target" must be true or false.')
        yield (
            key,
            PredictedMask(
                rle,
                f'line {number}',
                _letterbox(line.get('letterbox'), rle['size'], where),
                answer,
                {name: line[name] for name in _RECORDED if name in line},
            ),
        )


def _letterbox(region: Any, size: Size, where: str) -> tuple[int, int, int, int] | None:
    if region is None:
        return None
    if isinstance(region, list) and [type(side) for side in region] == [int] * 4:
        top, left, height, width = region
        if min(top, left) >= 0 < min(height, width) and (
            top + height <= size[0] and left + width <= size[1]
        ):
            return top, left, height, width
    raise DataError(
        f'{where}: "letterbox" {printable(region, 80)} is no [top, left, height, width] inside a '
        f'mask of {list(size)} (height, width).'
    )


def _read_folder(path: Path) -> Iterator[tuple[Key, PredictedMask]]:
    files = sorted(path.iterdir())
    if not files:
        raise DataError(f'{path}: the folder is empty; it should hold <ref_id>_<sent_id>.png.')
    for file in files:
        if file.suffix.lower() != '.png':
            raise DataError(
                f'{file}: not a PNG. A folder of predictions holds <ref_id>_<sent_id>.png alone; '
                'JSON lines are given by their file.'
            )
        yield _key(file.stem, str(file)), PredictedMask(read_mask_png(file, str(file)), file.name)


def _read_npz(path: Path) -> Iterator[tuple[Key, PredictedMask]]:
    """Read the arrays one at a time; nothing is unpickled."""
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f'{path}: not an .npz ({error}). Write it with np.savez_compressed.') from (
            error
        )
    with archive:
        for entry in archive.infolist():
            where = f'{path}, array {printable(entry.filename.removesuffix(".npy"), 80)}'
            key = _key(entry.filename.removesuffix('.npy'), where)
            if entry.file_size > 8 * MAX_PIXELS:
                raise DataError(f'{where}: {entry.file_size} bytes are too large for a mask.')
            try:
                with archive.open(entry) as file:
                    mask = np.lib.format.read_array(file, allow_pickle=False)
            except Exception as error:  # a damaged member can raise many kinds
                raise DataError(f'{where}: cannot be read ({error}).') from error
            if mask.ndim != 2 or mask.dtype.kind not in 'bui' or not mask.size:
                raise DataError(
                    f'{where}: a mask is [H, W] of bool or whole numbers, not {mask.dtype} '
                    f'{list(mask.shape)}; probabilities have to be thresholded.'
                )
            rle = coco_mask.encode(np.asfortranarray(mask != 0, dtype=np.uint8))
            yield key, PredictedMask(rle, where.rpartition(', ')[2])


def _key(name: str, where: str) -> Key:
    match = _NAME.fullmatch(name)
    if match is None:
        raise DataError(f'{where}: the name should be <ref_id>_<sent_id>, for example 12_345.')
    return int(match[1]), int(match[2])
