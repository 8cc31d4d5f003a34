# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Puts a prepared data set into a data root, and writes down where it came from."""

from __future__ import annotations

import filecmp
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from magnet_mm.atomic_files import publish, unfinished_beside, write_atomically
from magnet_mm.data_tools.checking.published import PUBLISHED, SplitCounts
from magnet_mm.data_tools.preparing.naming import division_of
from magnet_mm.data_tools.preparing.prepared import Prepared
from magnet_mm.data_tools.preparing.source_files import sha256
from magnet_mm.datasets.annotations.jsonl_annotations import read_jsonl
from magnet_mm.datasets.annotations.refs_reader import read_refs
from magnet_mm.errors import DataError
from magnet_mm.version import __version__

PROVENANCE = 'provenance.json'


@dataclass
class Written:
    """What was done for a data set.

    Attributes:
        folder: Where it lies.
        what: What it was made of.
        new: The files that were not there before; none where nothing changed.
        counts: Refs, images, expressions and whether they are the published ones, by annotation
            file and split.
        dropped: What was left out and why.
        notes: What the user should know.
    """

    folder: Path
    what: str
    new: list[str]
    counts: dict[str, dict[str, dict[str, Any]]]
    dropped: list[dict[str, Any]]
    notes: list[str]


def write_dataset(prepared: Prepared, out: Path) -> Written:
    """Write the files of a data set beside its folder, check them, and then move them there.

    Raises:
        DataError: The files are unsound, or others of the same names are there already.
    """
    target = out / prepared.dataset
    with unfinished_beside(target, folder=True) as unfinished:
        names = []
        for name, data in prepared.contents():
            path = unfinished / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            names.append(name)
        counts = _count(unfinished, names, prepared.dataset)
        new = _missing(names, unfinished, target)
        written = Written(
            target, prepared.what, new, counts, prepared.dropped.to_list(), prepared.notes
        )
        record = _provenance(prepared, written)
        if not target.exists():
            (unfinished / PROVENANCE).write_text(_text(record), encoding='utf-8')
            publish(unfinished, target)
            return written
        for name in new:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            publish(unfinished / name, target / name)
        if new or not (target / PROVENANCE).exists():
            text = _text(_merged(target / PROVENANCE, record))
            write_atomically(target / PROVENANCE, text.encode())
        return written


def _missing(names: Iterable[str], unfinished: Path, target: Path) -> list[str]:
    """Return the files that are not in the folder yet.

    Raises:
        DataError: One is there with another content.
    """
    missing = []
    for name in names:
        if not (target / name).exists():
            missing.append(name)
        elif not filecmp.cmp(unfinished / name, target / name, shallow=False):
            raise DataError(
                f'{target / name} is there and differs from what the sources give. Nothing was '
                'replaced: move the folder away, or choose another --out.'
            )
    return missing


def _count(
    folder: Path, names: Iterable[str], dataset: str
) -> dict[str, dict[str, dict[str, Any]]]:
    """Read the annotation files as the data sets do, and count refs, images and expressions."""
    counts: dict[str, dict[str, dict[str, Any]]] = {}
    for name in sorted(names):
        path = folder / name
        if path.suffix == '.jsonl':
            records, key, division = read_jsonl(str(path)), 'img_id', None
        elif 'refs(' in name:
            records, key, division = read_refs(str(path)), 'image_id', division_of([name])
        else:
            continue
        counts[name] = {}
        for split in dict.fromkeys(record['split'] for record in records):
            members = [record for record in records if record['split'] == split]
            found = SplitCounts(
                len(members),
                len({record[key] for record in members}),
                sum(len(record['sentences']) for record in members),
            )
            known = PUBLISHED.get((dataset, division), {}).get(split)
            counts[name][split] = dict(found._asdict(), as_published=_equal(found, known))
    return counts


def _equal(found: SplitCounts, known: SplitCounts | None) -> bool | None:
    """Whether counts are the published ones; None where nothing is published."""
    if known is None:
        return None
    return all(wanted in (None, count) for wanted, count in zip(known, found, strict=True))


def _provenance(prepared: Prepared, written: Written) -> dict[str, Any]:
    return {
        'source': [{'path': str(path), 'sha256': sha256(path)} for path in prepared.sources],
        'date': datetime.now(timezone.utc).isoformat(timespec='seconds'),
        'converted_by': f'magnet_mm {__version__}, prepare-data',
        'what': prepared.what,
        'dropped': written.dropped,
        'notes': written.notes,
        'counts': written.counts,
    }


def _merged(path: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Return the record with what an earlier one says of other files."""
    try:
        earlier = json.loads(path.read_text(encoding='utf-8'))
        return {
            **record,
            'source': [
                *(one for one in earlier['source'] if one not in record['source']),
                *record['source'],
            ],
            'dropped': [
                *(one for one in earlier['dropped'] if one not in record['dropped']),
                *record['dropped'],
            ],
            'counts': {**earlier['counts'], **record['counts']},
        }
    except (OSError, ValueError, KeyError, TypeError):  # none, or no record of ours
        return record


def _text(record: dict[str, Any]) -> str:
    return json.dumps(record, indent=2, ensure_ascii=False) + '\n'
