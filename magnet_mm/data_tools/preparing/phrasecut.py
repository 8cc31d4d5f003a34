# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""PhraseCut's `refer_<split>.json` to JSON lines, a file a split."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from magnet_mm.data_tools.preparing.original_files import source_paths
from magnet_mm.data_tools.preparing.prepared import Dropped, Prepared
from magnet_mm.data_tools.preparing.source_files import SourceFile
from magnet_mm.datasets.annotations.masks import check_segmentation
from magnet_mm.errors import DataError
from magnet_mm.json_lines import to_text

_SPLIT = re.compile(r'(?<![A-Za-z])(train|val|test|miniv)(?![A-Za-z])')
NOTE = (
    'Put the images of Visual Genome (<image_id>.jpg, of both its archives) into phrasecut/images, '
    'or make that a link to their folder.'
)


def prepare_phrasecut(files: Sequence[SourceFile]) -> Prepared:
    """Write a line per phrase: its polygons united, `kind` the type of its structure.

    Raises:
        DataError: A file is no list of phrases, or its name has no split.
    """
    dropped = Dropped()

    def contents() -> Iterator[tuple[str, bytes]]:
        for file in files:
            found = _SPLIT.findall(file.name)
            if not found:
                raise DataError(f'{file}: its name has no split (train, val, test, miniv).')
            lines = [to_text(line) for line in _lines(file, found[-1], dropped)]
            yield f'{found[-1]}.jsonl', ''.join(lines).encode()

    what = f'PhraseCut, {len(files)} file(s) as JSON lines'
    return Prepared('phrasecut', what, source_paths(files), contents, dropped, [NOTE])


def _lines(file: SourceFile, split: str, dropped: Dropped) -> Iterator[dict[str, Any]]:
    try:
        rows = json.loads(file.read())
    except (ValueError, RecursionError) as error:
        raise DataError(f'{file}: not valid JSON ({error}). Get the file again.') from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f'{file}: expected a list of phrases.')
    for number, row in enumerate(rows):
        example = f'{file.name}: {row.get("task_id", f"row {number}")}'
        image_id, phrase = row.get('image_id'), row.get('phrase')
        if type(image_id) is not int or not isinstance(phrase, str):
            raise DataError(f'{example}: there is no "image_id" or "phrase". Get the file again.')
        try:
            polygons = [
                [coordinate for point in polygon for coordinate in point]
                for instance in row.get('Polygons') or ()
                for polygon in instance
            ]
        except TypeError as error:
            raise DataError(
                f'{example}: "Polygons" are no lists of points by instance. Get the file again.'
            ) from error
        usable = [polygon for polygon in polygons if len(polygon) >= 6]
        for _ in range(len(polygons) - len(usable)):
            dropped.add('polygons', 'less than three points', example)
        try:
            check_segmentation(usable, example)
        except DataError as error:
            why = 'no polygon' if not usable else str(error).removeprefix(f'{example}: ')
            dropped.add('phrases', why, example)
            continue
        structure = row.get('phrase_structure') or {}
        line = dict(image=f'{image_id}.jpg', expression=phrase, mask=usable, split=split)
        line.update(ref_id=number, image_id=image_id)
        for name, key in (('kind', 'type'), ('category', 'name')):
            if isinstance(structure.get(key), str) and structure[key]:
                line[name] = structure[key]
        yield line
