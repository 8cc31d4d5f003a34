# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Folders of images and masks named alike, and a table of sentences, to JSON lines."""

from __future__ import annotations

import csv
import posixpath
from collections.abc import Iterator
from pathlib import Path

from magnet_mm.data_tools.conversion.lines import write_jsonl
from magnet_mm.errors import DataError


def masks_to_jsonl(sentences: str | Path, masks: str | Path, out: str | Path) -> int:
    """Write one line per row of a CSV file.

    Its columns are `image` (path below the image folder), `expression`, and optionally `mask` (path
    below the mask folder), `split`, `kind`, `category`. Without a mask of its own, a row means the
    PNG that is named as the image: `masks/a.png` for `a.jpg`. The mask `none` says that nothing in
    the image is meant.

    Args:
        sentences (str | Path): The CSV file, UTF-8.
        masks (str | Path): Folder of the masks: PNG of the image's size, not 0 = object.
        out (str | Path): The JSON-lines file; it must not exist.

    Returns:
        int: How many lines were written.

    Raises:
        DataError: The file cannot be read, lacks a column, names a mask that is not there, or
            `out` exists. The message names the line.
    """

    def lines() -> Iterator[dict]:
        for number, row in _rows(sentences):
            where = f'{sentences}, line {number}'
            if not row['image'] or not row['expression']:
                raise DataError(f'{where}: image and expression must not be empty.')
            mask = row.get('mask') or posixpath.splitext(row['image'])[0] + '.png'
            if mask != 'none' and not (Path(masks) / mask).is_file():
                raise DataError(
                    f'{where}: there is no mask {Path(masks) / mask}. Name masks as their images '
                    '(a.png for a.jpg), or in a column "mask"; "none" where nothing is meant.'
                )
            line = dict(
                image=row['image'],
                expression=row['expression'],
                mask=None if mask == 'none' else mask,
            )
            yield line | {key: row[key] for key in ('split', 'kind', 'category') if row.get(key)}

    return write_jsonl(out, lines())


def _rows(path: str | Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows with their line numbers, blanks around the cells taken off."""
    try:
        with open(path, encoding='utf-8-sig', newline='') as file:
            table = csv.DictReader(file)
            if not {'image', 'expression'} <= set(table.fieldnames or ()):
                raise DataError(
                    f'{path}: the first line must name the columns image and expression, found '
                    f'{table.fieldnames}.'
                )
            for row in table:
                yield table.line_num, {key: (row[key] or '').strip() for key in table.fieldnames}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f'{path}: cannot be read as CSV in UTF-8 ({error}).') from error
