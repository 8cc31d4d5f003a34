# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The original files (refs and `instances.json`), wherever they lie: passed on byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magnet_mm.data_tools.preparing.naming import (
    ROBUST,
    dataset_by_content,
    dataset_of,
    division_of,
    usual_division,
)
from magnet_mm.data_tools.preparing.prepared import Dropped, Prepared, json_bytes, refs_bytes
from magnet_mm.data_tools.preparing.refer_builder import reduced_instances
from magnet_mm.data_tools.preparing.source_files import SourceFile
from magnet_mm.datasets.annotations.checks import check_fields
from magnet_mm.datasets.annotations.refer_pickle import load_plain_pickle
from magnet_mm.datasets.annotations.refs_reader import is_json
from magnet_mm.errors import DataError


@dataclass
class _Folder:
    """The files of one data set as they will be written, and where each was read."""

    files: dict[str, bytes] = field(default_factory=dict)
    origins: dict[str, SourceFile] = field(default_factory=dict)
    dropped: Dropped = field(default_factory=Dropped)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, data: bytes, origin: SourceFile) -> None:
        if self.files.setdefault(name, data) != data:
            raise DataError(
                f'{self.origins[name]} and {origin} are different files that would both become '
                f'{name}. Give one of them.'
            )
        self.origins.setdefault(name, origin)


def prepare_originals(
    refs_files: Sequence[SourceFile], coco_files: Sequence[SourceFile], dataset: str | None
) -> Iterator[Prepared]:
    """Pair refs files with the `instances.json` of their folder, else with one that has their ids.

    Args:
        refs_files: Refs files, pickles or JSON.
        coco_files: COCO files.
        dataset: The data set, if the user says it.

    Raises:
        DataError: A refs file is unsafe or damaged, or nothing has its annotations.
    """
    folders: dict[str, _Folder] = {}
    for file in refs_files:
        data = file.read()
        refs = _read_refs(file, data)
        name = dataset or _dataset(file, refs)
        folder = folders.setdefault(name, _Folder())
        division = division_of([file.name]) or usual_division(name, {ref['split'] for ref in refs})
        generalized = any(isinstance(ref['ann_id'], list) for ref in refs)
        if is_json(data) and not generalized:
            folder.notes.append(f'{file.name} was JSON and is a pickle now, as `refer` reads it.')
            data = refs_bytes(refs)
        suffix = 'json' if is_json(data) else 'p'
        prefix = 'grefs' if file.name.startswith('grefs') or name == 'grefcoco' else 'refs'
        folder.add(f'{prefix}({division}).{suffix}', data, file)
        for ref in refs if generalized else ():
            if not ref['sentences']:
                why = 'no sentence; they stay in the file, and are left out when it is read'
                folder.dropped.add('refs', why, f'ref {ref["ref_id"]}')
        _add_instances(folder, file, refs, coco_files)
    for name, folder in folders.items():
        paths = list(dict.fromkeys(origin.path for origin in folder.origins.values()))
        yield Prepared(
            name,
            f'original files: {", ".join(sorted(folder.files))}',
            paths,
            lambda folder=folder: iter(sorted(folder.files.items())),
            folder.dropped,
            folder.notes,
        )


def coco_content(file: SourceFile) -> dict[str, Any]:
    """Read a COCO file.

    Raises:
        DataError: It is no JSON, or lacks images or annotations.
    """
    try:
        content = json.loads(file.read())
    except (ValueError, RecursionError) as error:
        raise DataError(f'{file}: not valid JSON ({error}). Get the file again.') from error
    lists = ('images', 'annotations')
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in lists):
        raise DataError(f'{file}: a COCO file needs the lists "images" and "annotations".')
    return content


def _read_refs(file: SourceFile, data: bytes) -> list[dict]:
    if is_json(data):
        try:
            refs = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise DataError(f'{file}: not valid JSON ({error}). Get the file again.') from error
    else:
        refs = load_plain_pickle(str(file), data)
    needed = dict(ref_id=int, image_id=int, split=str, sentences=list)
    if not isinstance(refs, list) or not refs:
        raise DataError(f'{file}: no list of refs. Get the file again.')
    for position, ref in enumerate(refs):
        check_fields(ref, needed, f'{file}: ref number {position}')
        if 'ann_id' not in ref or not all(isinstance(said, dict) for said in ref['sentences']):
            raise DataError(f'{file}: ref number {position} is none. Get the file again.')
    return refs


def _dataset(file: SourceFile, refs: list[dict]) -> str:
    """Name the data set by what the refs have, and by the path where that does not tell.

    Raises:
        DataError: Neither tells.
    """
    named = dataset_of(file.parts)
    if any('source' in ref for ref in refs):
        return 'ref-zom'
    if any('exist' in said for ref in refs for said in ref['sentences']):
        robust = named if named in ROBUST else f'r{named}'
        if robust in ROBUST:
            return robust
        raise DataError(
            f'{file}: sentences say whether what they mean exists, as in R-RefCOCO, but nothing '
            f'tells which of its parts. Say --dataset {", ".join(ROBUST)}.'
        )
    if any(isinstance(ref['ann_id'], list) for ref in refs):
        return 'grefcoco'
    return dataset_by_content(refs, str(file)) if named in (None, 'grefcoco') else named


def _add_instances(
    folder: _Folder, file: SourceFile, refs: list[dict], coco_files: Sequence[SourceFile]
) -> None:
    near = [one for one in coco_files if one.folder == file.folder]
    near.sort(key=lambda one: one.name != 'instances.json')
    if near:
        folder.add('instances.json', near[0].read(), near[0])
        return
    wanted = {ref['image_id'] for ref in refs}
    for other in sorted(coco_files, key=lambda one: 'instances' not in one.name):
        content = coco_content(other)
        if wanted <= {image.get('id') for image in content['images']}:
            folder.add('instances.json', json_bytes(reduced_instances(content, refs)), other)
            folder.notes.append(f'instances.json is made of {other.name}.')
            return
    raise DataError(
        f'{file}: no instances.json lies beside it, and no other file that was given has the '
        "images of these refs. Give it, or COCO's instances_train2014.json."
    )


def source_paths(files: Sequence[SourceFile]) -> list[Path]:
    """Return the files on disk, each once."""
    return list(dict.fromkeys(file.path for file in files))
