# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""RefCOCO and gRefCOCO files to JSON lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from magnet_mm.data_tools.conversion.lines import to_line, write_jsonl
from magnet_mm.datasets.annotations.refer_annotations import load_records
from magnet_mm.datasets.annotations.refs_reader import read_refs


def refcoco_to_jsonl(
    ann_file: str | Path,
    refs_file: str | Path,
    out: str | Path,
    splits: Sequence[str] | None = None,
    image_prefix: str = '',
) -> int:
    """Write one line per ref, with its ids and split.

    Args:
        ann_file (str | Path): `instances.json`.
        refs_file (str | Path): `refs(<split_by>).p`, or `grefs(<split_by>).json` (or `.p`) of
            gRefCOCO, told by the content.
        out (str | Path): The JSON-lines file; it must not exist.
        splits (Sequence[str], optional): Splits to convert. Defaults to all of the file.
        image_prefix (str): Folder of the images, relative to the folder that paths will be
            relative to (`data_root`).

    Returns:
        int: How many lines were written.

    Raises:
        DataError: A file cannot be read, a split is unknown, or `out` exists.
    """
    ann_file, refs_file = str(ann_file), str(refs_file)
    generalized = True if Path(refs_file).name.startswith('grefs') else None
    if splits is None:
        refs = read_refs(refs_file, generalized)
        splits = list(dict.fromkeys(ref['split'] for ref in refs))

    def lines() -> Iterator[dict]:
        for split in splits:
            for record in load_records(ann_file, refs_file, split, generalized):
                yield to_line(record, split, image_prefix)

    return write_jsonl(out, lines())
