# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Recognises what was given, converts it, and puts it into a data root."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from magnet_mm.data_tools.checking.files import disguise
from magnet_mm.data_tools.preparing.mdetr_files import prepare_mdetr
from magnet_mm.data_tools.preparing.original_files import prepare_originals
from magnet_mm.data_tools.preparing.parquet_files import prepare_parquet
from magnet_mm.data_tools.preparing.phrase_lists import prepare_phrase_lists
from magnet_mm.data_tools.preparing.phrasecut import prepare_phrasecut
from magnet_mm.data_tools.preparing.prepared import Prepared
from magnet_mm.data_tools.preparing.recognition import recognise
from magnet_mm.data_tools.preparing.source_files import SourceFile, list_files
from magnet_mm.data_tools.preparing.writing import Written, write_dataset
from magnet_mm.errors import DataError


def prepare(
    sources: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    dataset: str | None = None,
) -> list[Written]:
    """Convert sources to the files that this package reads, a folder of ``out`` a data set.

    Every data set is written beside its folder first and appears complete or not at all. Files
    that are there and the same stay untouched; files that differ are never replaced.

    Args:
        sources: Files, folders and zip archives.
        out: The data root, such as `data/refer`.
        dataset: The data set that all sources are of, where nothing in them tells.

    Returns:
        list[Written]: What was done for each data set.

    Raises:
        DataError: Nothing in the sources is known, a file is damaged, unsafe or of a kind that
            lost something, or another file is in the way.
        ConfigError: A package for this kind of file is not there.
    """
    found: dict[str, list[SourceFile]] = defaultdict(list)
    others: list[SourceFile] = []
    for source in sources:
        for file in list_files(source):
            kind = recognise(file)
            (others if kind is None else found[kind]).append(file)
    done: dict[str, Written] = {}
    for prepared in _convert(found, dataset):
        if prepared.dataset in done:
            raise DataError(
                f'{prepared.dataset} is in two forms among the sources: '
                f'{done[prepared.dataset].what}; {prepared.what}. Give one of them.'
            )
        done[prepared.dataset] = write_dataset(prepared, Path(out).expanduser())
    if not done:
        raise DataError(_nothing(sources, found, others))
    return list(done.values())


def _convert(found: dict[str, list[SourceFile]], dataset: str | None) -> Iterator[Prepared]:
    if found['refs']:
        yield from prepare_originals(found['refs'], found['coco'], dataset)
    if found['mdetr']:
        yield from prepare_mdetr(found['mdetr'], found['coco'], dataset)
    if found['parquet']:
        yield from prepare_parquet(found['parquet'], dataset)
    if found['phrasecut']:
        yield prepare_phrasecut(found['phrasecut'])
    if found['phrases']:
        yield prepare_phrase_lists(found['phrases'])


def _nothing(
    sources: Sequence[str | os.PathLike[str]],
    found: dict[str, list[SourceFile]],
    others: Sequence[SourceFile],
) -> str:
    """Say why nothing could be converted."""
    given = ', '.join(map(str, sources))
    if found['coco']:
        return (
            f'{given}: there are COCO annotations ({found["coco"][0].name}), but no sentences: no '
            "refs file, and none of MDETR's."
        )
    for file in others:
        said = disguise(file.path) if file.member is None else None
        if said is not None:
            return f'{file}: {said}'
    return f'{given}: no file of a known data set is there (docs/prepare_data.md lists them).'
