# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The data sets that the hub has as parquet files, told by their columns."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from magnet_mm.data_tools.preparing.naming import (
    dataset_by_content,
    dataset_of,
    division_of,
    usual_division,
)
from magnet_mm.data_tools.preparing.original_files import source_paths
from magnet_mm.data_tools.preparing.prepared import Dropped, Prepared
from magnet_mm.data_tools.preparing.refcoco_m import prepare_refcoco_m
from magnet_mm.data_tools.preparing.refer_builder import ReferBuilder
from magnet_mm.data_tools.preparing.source_files import SourceFile
from magnet_mm.errors import ConfigError, DataError

Row = dict[str, Any]
_REF = ('ref_id', 'ann_id', 'category_id', 'image_id', 'file_name', 'split', 'sent_ids')
LOSSY = (
    'these are the columns of lmms-lab/RefCOCO, which cannot be turned back: the parts of a mask '
    'run together in one flat list, there is no training split, and its val mixes two divisions. '
    'Masks would be wrong and scores not comparable. Use the original files, or jxu124/refcoco, '
    'which are complete (docs/data.md).'
)


def prepare_parquet(files: Sequence[SourceFile], dataset: str | None) -> Iterator[Prepared]:
    """Convert parquet files; those of one data set and division become one.

    Raises:
        ConfigError: pyarrow is not there.
        DataError: The columns are of no known set, or of one that lost something; or a row cannot
            be used.
    """
    if find_spec('pyarrow') is None:
        raise ConfigError('Parquet files need pyarrow: pip install "pyarrow>=15".')
    groups: dict[str, list[tuple[str, SourceFile, Callable]]] = defaultdict(list)
    masks: list[SourceFile] = []
    for file in files:
        columns = set(open_parquet(file).schema_arrow.names)
        rows = None
        if {'file_name', 'samples'} <= columns:
            masks.append(file)
        elif {'ref_id', 'raw_anns', 'raw_image_info', 'sentences'} <= columns:
            rows = _split_rows
        elif {'ref_info', 'ann_info', 'image_info'} <= columns:
            rows = _nested_rows
        elif {'question', 'answer', 'segmentation'} <= columns:
            raise DataError(f'{file}: {LOSSY}')
        else:
            raise DataError(
                f'{file}: the columns {", ".join(sorted(columns))} are of no known data set '
                '(docs/prepare_data.md lists them).'
            )
        if rows is not None:
            name, division = _name(file, rows, dataset)
            groups[name].append((division, file, rows))
    for name, members in groups.items():
        yield _prepare_rows(name, members)
    if masks:
        yield prepare_refcoco_m(masks, open_parquet)


def open_parquet(file: SourceFile) -> Any:
    """Open a parquet file, also inside an archive.

    Raises:
        DataError: It is damaged.
    """
    import pyarrow.parquet

    try:
        return pyarrow.parquet.ParquetFile(
            str(file.path) if file.member is None else io.BytesIO(file.read())
        )
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f'{file}: no complete parquet file ({error}). Get it again.') from error


def _name(file: SourceFile, rows: Callable, dataset: str | None) -> tuple[str, str]:
    """Return the data set and division of a file."""
    refs = [ref for ref, *_ in rows(file)]
    name = dataset or dataset_of(file.parts) or dataset_by_content(refs, str(file))
    division = division_of([file.name]) or usual_division(name, {ref['split'] for ref in refs})
    return name, division


def _prepare_rows(name: str, members: Sequence[tuple[str, SourceFile, Callable]]) -> Prepared:
    dropped = Dropped()
    builder = ReferBuilder(dropped)
    for division, file, rows in members:
        for ref, annotation, image in rows(file):
            where = f'{file}: ref {ref["ref_id"]}'
            builder.add(f'refs({division}).p', ref, annotation, image, where)
    files = [file for _, file, _ in members]
    notes = []
    if any(rows is _nested_rows for *_, rows in members):
        notes.append('This set has the evaluation splits only; there is nothing to train on.')
    return Prepared(
        name,
        f'parquet files of the hub ({len(files)})',
        source_paths(files),
        builder.contents,
        dropped,
        notes,
    )


def _split_rows(file: SourceFile) -> Iterator[tuple[Row, Row, Row]]:
    """Yield ref, annotation and image of jxu124's refcoco, refcocoplus and refcocog."""
    columns = [*_REF, 'sentences', 'raw_anns', 'raw_image_info']
    for row in _rows(file, columns):
        where = f'{file}: ref {row["ref_id"]}'
        yield (
            _ref(row, where),
            _json_text(row['raw_anns'], f'{where}: raw_anns'),
            _json_text(row['raw_image_info'], f'{where}: raw_image_info'),
        )


def _nested_rows(file: SourceFile) -> Iterator[tuple[Row, Row, Row]]:
    """Yield ref, annotation and image of jxu124/refcoco-benchmark."""
    for row in _rows(file, ['ref_info', 'ann_info', 'image_info']):
        yield _ref(row['ref_info'], str(file)), row['ann_info'], row['image_info']


def _rows(file: SourceFile, columns: list[str]) -> Iterator[Row]:
    for batch in open_parquet(file).iter_batches(columns=columns):
        yield from batch.to_pylist()  # plain lists and numbers, no numpy


def _ref(row: Row, where: str) -> Row:
    """Return a ref with the fields of RefCOCO and no others."""
    lacking = [name for name in (*_REF, 'sentences') if row.get(name) is None]
    if lacking:
        raise DataError(f'{where}: the row has no {", ".join(lacking)}. Get the file again.')
    sentences = [
        {name: said[name] for name in ('raw', 'sent', 'sent_id', 'tokens') if name in said}
        for said in row['sentences']
    ]
    return {**{name: row[name] for name in _REF}, 'sentences': sentences}


def _json_text(text: Any, where: str) -> Row:
    try:
        content = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f'{where}: not JSON text ({error}). Get the file again.') from error
    if not isinstance(content, dict):
        raise DataError(f'{where}: expected an object, found {type(content).__name__}.')
    return content
