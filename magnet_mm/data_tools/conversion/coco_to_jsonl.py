# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""COCO instances and their sentences to JSON lines."""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from magnet_mm.data_tools.checking.files import read_json
from magnet_mm.data_tools.conversion.lines import to_line, write_jsonl
from magnet_mm.datasets.annotations.masks import check_segmentation
from magnet_mm.errors import DataError
from magnet_mm.json_lines import parse_object, read_lines

#: Where annotations carry their own sentence: a key of theirs, or of their `attributes` (CVAT).
SENTENCE_KEYS = ('expressions', 'expression', 'sentence', 'caption')


def coco_to_jsonl(
    ann_file: str | Path,
    sentences: str | Path | None,
    out: str | Path,
    split: str | None = None,
    image_prefix: str = '',
) -> int:
    """Write one line per line of sentences, or per annotation that has one.

    Args:
        ann_file (str | Path): COCO instances (`images`, `annotations`, `categories`).
        sentences (str | Path, optional): JSON lines `{"ann_id": 7, "expression": "the red mug"}`,
            with a list of ids where several objects are meant, `expressions` for several
            sentences, and optionally `split`, `kind`; or a CSV file (`.csv`) with the columns
            `ann_id`, `expression` and optionally `split`, `kind`, where ids are separated by
            blanks. None takes the annotations' own, see :data:`SENTENCE_KEYS`; those without one
            are counted in the log and left out.
        out (str | Path): The JSON-lines file; it must not exist.
        split (str, optional): Split of all lines that name none.
        image_prefix (str): Folder of the images, relative to the folder that paths will be
            relative to (`data_root`).

    Returns:
        int: How many lines were written.

    Raises:
        DataError: A file cannot be read, an annotation is unknown, the objects of a sentence are
            on different images, there is no sentence at all, or `out` exists. The message names
            the line.
    """
    try:
        content = read_json(Path(ann_file))
    except DataError as error:
        raise DataError(f'{ann_file}: {error}') from error
    index = _index(content, str(ann_file))
    if sentences is None:
        entries, place = _own_sentences(index[1], str(ann_file)), f'{ann_file}, annotation'
    else:
        read = _read_csv if Path(sentences).suffix.lower() == '.csv' else _read_jsonl
        entries, place = read(str(sentences)), f'{sentences}, line'

    def lines() -> Iterator[dict]:
        number_of_sentences = 0
        for ref_id, (number, entry) in enumerate(entries, start=1):
            where = f'{place} {number}'
            record = _record(entry, ref_id, number_of_sentences, index, where)
            number_of_sentences += len(record['sentences'])
            yield to_line(record, entry.get('split') or split, image_prefix)

    return write_jsonl(out, lines())


def _record(entry: dict, ref_id: int, first: int, index: tuple, where: str) -> dict[str, Any]:
    """Return the record of one entry of the sentences file."""
    images, annotations, categories = index
    ids = entry.get('ann_id')
    ids = [ids] if isinstance(ids, int) else ids
    if not isinstance(ids, list) or not ids or not all(isinstance(one, int) for one in ids):
        raise DataError(f'{where}: "ann_id" must be a whole number, or a list of them.')
    unknown = [one for one in ids if one not in annotations]
    if unknown:
        raise DataError(f'{where}: the COCO file has no annotation {unknown[0]}.')
    targets = [annotations[one] for one in ids]
    if len({target['image_id'] for target in targets}) > 1:
        raise DataError(f'{where}: the annotations {ids} are on different images.')
    image = images.get(targets[0]['image_id'])
    if image is None:
        raise DataError(f'{where}: the COCO file has no image {targets[0]["image_id"]}.')
    for target in targets:
        check_segmentation(target.get('segmentation'), f'{where}: annotation {target["id"]}')
    texts = entry.get('expressions', [entry.get('expression')])
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise DataError(f'{where}: give "expression" (a string) or "expressions" (a list).')
    names = {categories.get(target.get('category_id')) for target in targets}
    return dict(
        ref_id=ref_id,
        ann_id=ids[0] if len(ids) == 1 else tuple(ids),
        img_id=image['id'],
        file_name=image['file_name'],
        height=image['height'],
        width=image['width'],
        segmentations=[target['segmentation'] for target in targets],
        category=names.pop() if len(names) == 1 else None,
        sentences=[
            dict(raw=text, sent_id=first + place, kind=entry.get('kind') or None)
            for place, text in enumerate(texts)
        ],
    )


def _index(content: Any, path: str) -> tuple[dict, dict, dict]:
    """Images, annotations and category names by id."""
    try:
        images = {image['id']: image for image in content['images']}
        annotations = {one['id']: one for one in content['annotations']}
        categories = {one['id']: one['name'] for one in content.get('categories', [])}
        for image in images.values():
            image['file_name'], image['height'], image['width']
        for annotation in annotations.values():
            annotation['image_id']
    except (TypeError, KeyError) as error:
        raise DataError(
            f'{path}: not a COCO instances file ({type(error).__name__}: {error}). It needs '
            'images (id, file_name, height, width) and annotations (id, image_id, segmentation).'
        ) from error
    return images, annotations, categories


def _own_sentences(annotations: dict, path: str) -> Iterator[tuple[int, dict]]:
    """Yield annotations that carry a sentence; say how many do not."""
    without = 0
    for number, annotation in annotations.items():
        attributes = annotation.get('attributes')
        known = {**(attributes if isinstance(attributes, dict) else {}), **annotation}
        text = next((known[key] for key in SENTENCE_KEYS if known.get(key)), None)
        if text is None:
            without += 1
            continue
        texts = text if isinstance(text, list) else [text]
        yield number, dict(ann_id=number, expressions=texts, split=known.get('split'))
    if without == len(annotations):
        raise DataError(
            f'{path}: no annotation has a sentence ({", ".join(SENTENCE_KEYS)}, as a key or in '
            '"attributes"). Give a file of sentences beside it.'
        )
    if without:
        print_log(
            f'{path}: {without} of {len(annotations)} annotations have no sentence; left out.',
            logger='current',
            level=logging.WARNING,
        )


def _read_jsonl(path: str) -> Iterator[tuple[int, dict]]:
    for number, text in read_lines(path):
        yield number, parse_object(text, f'{path}, line {number}')


def _read_csv(path: str) -> Iterator[tuple[int, dict]]:
    try:
        with open(path, encoding='utf-8-sig', newline='') as file:
            rows = csv.DictReader(file)
            if not {'ann_id', 'expression'} <= set(rows.fieldnames or ()):
                raise DataError(
                    f'{path}: the first line must name the columns ann_id and expression, found '
                    f'{rows.fieldnames}.'
                )
            for row in rows:
                ids = (row['ann_id'] or '').split()
                if not ids or not all(one.lstrip('-').isdecimal() for one in ids):
                    raise DataError(
                        f'{path}, line {rows.line_num}: ann_id {row["ann_id"]!r:.40} '
                        'is no whole number.'
                    )
                yield rows.line_num, {**row, 'ann_id': [int(one) for one in ids]}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f'{path}: cannot be read as CSV in UTF-8 ({error}).') from error
