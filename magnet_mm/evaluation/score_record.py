# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""``scores.json``: scores with everything that somebody who cites them has to know (our format).

::

    {"format": "magnet_mm scores 1",
     "evaluations": [{"protocol": {...}, "items": N, "scores": {"oIoU": percent, ...}, ...}],
     "data": [{"dataset_name", "split", "sentences", "references", "images",
               "files": {name: SHA-256}, "provenance": {...}}],
     "model": {...}, "versions": {package: version}}

``protocol`` says what was measured: ``metric``, ``per`` (sentence or reference), ``rule``,
``resolution`` (input or original), ``input_size`` ([height, width], null where there is no single
one) and ``masks`` (as predicted, or resized afterwards). Numbers are comparable where it and the
files are the same. ``provenance`` is what stands in ``provenance.json`` beside the annotations.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from magnet_mm.atomic_files import write_atomically
from magnet_mm.errors import DataError
from magnet_mm.text_safety import printable

FILE_NAME = 'scores.json'
FORMAT = 'magnet_mm scores 1'
AS_PREDICTED = 'as predicted'
_PACKAGES = (
    'magnet_mm', 'torch', 'mmengine', 'mmcv', 'mmcv-lite', 'mmdet', 'mmsegmentation',
    'transformers', 'pycocotools', 'numpy', 'pillow', 'opencv-python',
)  # fmt: skip

Record = dict[str, Any]


def write_record(
    folder: str | os.PathLike[str],
    evaluations: Sequence[dict],
    data: Sequence[dict],
    model: Mapping[str, Any] | None = None,
    **more: Any,
) -> Path:
    """Write ``scores.json``, complete or not at all, and return its path.

    Args:
        folder: Where to; it is made.
        evaluations: With ``protocol``, ``items``, ``scores`` and whatever else was measured.
        data: What :func:`describe_data` returned.
        model: What is known about the model.
        **more: Further parts of the file.
    """
    record = dict(
        format=FORMAT,
        evaluations=list(evaluations),
        data=list(data),
        model=dict(model or {}),
        versions=installed_versions(),
        **more,
    )
    path = Path(folder) / FILE_NAME
    write_atomically(path, (json.dumps(record, indent=2) + '\n').encode())
    return path


def read_record(path: str | os.PathLike[str]) -> Record:
    """Read a ``scores.json``.

    Raises:
        DataError: It cannot be read, or is no such file.
    """
    try:
        record = json.loads(Path(path).read_bytes())
        protocols = [evaluation['protocol'] for evaluation in record['evaluations']]
        known = record['format'] == FORMAT and isinstance(record['model'], dict)
        files = [entry['files'] for entry in record['data']]
        known &= all(isinstance(part, dict) for part in protocols + files) and bool(protocols)
    except (OSError, ValueError, RecursionError, TypeError, KeyError) as error:
        raise DataError(
            f'{path}: no {FILE_NAME} of this package ({type(error).__name__}: {error}). Evaluate '
            'again, or move the file away.'
        ) from error
    if not known:
        raise DataError(f'{path}: its format is not "{FORMAT}". Evaluate again, or move it away.')
    return record


def record_beside(items_file: str | os.PathLike[str]) -> Record | None:
    """Read the record in the folder of a per-item file; None where there is none.

    Raises:
        DataError: See :func:`read_record`.
    """
    path = Path(items_file).parent / FILE_NAME
    return read_record(path) if path.is_file() else None


def differences(first: Record, second: Record, ignored: Sequence[str] = ()) -> list[str]:
    """Say in which protocol and annotation files two records differ; nothing where they agree.

    Args:
        first: A record; its first evaluation counts.
        second: Another one.
        ignored: Keys of protocol and data that may differ.
    """
    pairs = [(record['evaluations'][0]['protocol'], record['data']) for record in (first, second)]
    (one, data), (other, other_data) = pairs
    found = [
        f'{key} is {_shown(one.get(key))} in A and {_shown(other.get(key))} in B'
        for key in dict.fromkeys([*one, *other])
        if one.get(key) != other.get(key) and key not in ignored
    ]
    if len(data) != len(other_data):
        return [*found, f'A has {len(data)} data sets and B {len(other_data)}']
    for a, b in zip(data, other_data, strict=True):
        found += [
            f'{key} is {_shown(a.get(key))} in A and {_shown(b.get(key))} in B'
            for key in ('dataset_name', 'split')
            if a.get(key) != b.get(key) and key not in ignored
        ]
        if sorted(a['files'].values()) != sorted(b['files'].values()):
            found.append(f'the annotation files differ ({_files(a)} in A, {_files(b)} in B)')
    return found


def check_comparable(first: Record, second: Record, ignored: Sequence[str] = ()) -> None:
    """Refuse to compare scores of different protocols.

    Raises:
        DataError: The message names what differs.
    """
    found = differences(first, second, ignored)
    if found:
        raise DataError(
            f'A and B were not scored by one protocol, so their difference would mean nothing: '
            f'{"; ".join(found)}. Evaluate one of them again.'
        )


def describe(protocol: Mapping[str, Any]) -> str:
    """Say in a line what was measured."""
    size = protocol.get('input_size')
    at = f' ({size[0]} x {size[1]})' if size else ''
    parts = [f'at {protocol["resolution"]} resolution{at}', f'per {protocol["per"]}']
    if protocol['per'] == 'reference':
        parts.append('(the first sentence of each: another benchmark)')
    if protocol['rule'] != 'standard':
        parts.append(f'as the released code of {protocol["rule"]} does (another benchmark)')
    if protocol['masks'] != AS_PREDICTED:
        parts.append(f'masks {protocol["masks"]}')
    return ', '.join(parts).replace(', (', ' (')


def describe_model(record: Record) -> str:
    """Say in a line what ``scores.json`` knows of the model."""
    model = record['model']
    checkpoint = model.get('checkpoint') or {}
    known = [
        ('config', model.get('config')),
        ('checkpoint', checkpoint.get('file')),
        ('SHA-256', checkpoint.get('sha256', '')[:12]),
        ('seed', model.get('seed')),
        ('epoch', model.get('epoch')),
        *((name, record['versions'].get(name)) for name in ('magnet_mm', 'torch')),
    ]
    told = (f'{name} {value}' for name, value in known if value not in (None, ''))
    return printable(', '.join(told), 400)


def describe_data(dataset: Any) -> list[dict[str, Any]]:
    """Describe the data sets of an evaluation: counts, and hashes of the annotation files.

    Args:
        dataset: A test data set; wrappers of data sets are opened.
    """
    return [_describe(leaf) for leaf in _leaves(dataset)]


def file_sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file in hexadecimal digits; a file that has not changed is read once."""
    state = os.stat(path)
    return _sha256(os.path.realpath(path), state.st_size, state.st_mtime_ns)


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the packages whose versions can change a score."""
    found = {'python': platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _describe(dataset: Any) -> dict[str, Any]:
    count = len(dataset)
    known = hasattr(dataset, 'get_data_info')  # mmengine's data sets
    infos = [dataset.get_data_info(index) for index in range(count)] if known else []
    names = dict.fromkeys(
        path for name in ('ann_file', 'refs_file') if (path := getattr(dataset, name, None))
    )
    described = dict(
        dataset_name=getattr(dataset, 'dataset_name', type(dataset).__name__),
        split=getattr(dataset, 'split_name', None),
        sentences=count,
        references=len({info['ref_id'] for info in infos if 'ref_id' in info}),
        images=len({info['img_path'] for info in infos if 'img_path' in info}),
        files={Path(name).name: file_sha256(name) for name in names if os.path.isfile(name)},
    )
    provenance = _provenance(names)
    return {**described, 'provenance': provenance} if provenance is not None else described


def _provenance(files: Sequence[str]) -> Any:
    """Content of ``provenance.json`` beside the annotations, or a sentence why it is unreadable."""
    for path in dict.fromkeys(Path(name).parent / 'provenance.json' for name in files):
        if path.is_file():
            try:
                return json.loads(path.read_bytes())
            except (OSError, ValueError, RecursionError) as error:
                return f'{path} cannot be read ({error})'
    return None


def _leaves(dataset: Any) -> Iterator[Any]:
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    if inner[0] is None:
        yield dataset
        return
    for part in inner:
        yield from _leaves(part)


@functools.lru_cache(maxsize=64)
def _sha256(path: str, size: int, changed: int) -> str:
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _shown(value: Any) -> str:
    return 'not stated' if value is None else json.dumps(value, ensure_ascii=False)


def _files(data: Mapping[str, Any]) -> str:
    return ', '.join(f'{name} {digest[:8]}' for name, digest in data['files'].items()) or 'none'
