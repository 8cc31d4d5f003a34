# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Says by its first bytes what an annotation file is."""

from __future__ import annotations

import re
from collections.abc import Callable

from magnet_mm.data_tools.preparing.source_files import IMAGE_SUFFIXES, SourceFile
from magnet_mm.datasets.annotations.refs_reader import is_json

#: How much of a file is looked at (bytes; our choice: many refs or images).
HEAD = 1 << 20
_REFS_NAME = re.compile(r'g?refs\(\w+\)\.(p|json)')


def recognise(file: SourceFile) -> str | None:
    """Return what a file is, or None.

    Returns:
        str: `parquet`; `refs` (RefCOCO's and gRefCOCO's, pickle or JSON); `coco` (images and
        annotations); `mdetr`; `phrasecut`; or `phrases` (lines of RefSegRS).
    """
    head = file.read(HEAD)
    if head.startswith(b'PAR1'):
        return 'parquet'
    if _REFS_NAME.fullmatch(file.name):
        return 'refs'
    if file.name.endswith('.jsonl'):
        return None
    if is_json(head):
        return next((kind for kind, fits in _JSON.items() if fits(head)), None)
    if file.name.endswith('.txt'):
        return 'phrases' if _has_image_and_mask(file, head) else None
    return 'refs' if b'ref_id' in head and b'sent_id' in head else None


_JSON: dict[str, Callable[[bytes], bool]] = {
    'phrasecut': lambda head: b'"Polygons"' in head and b'"phrase"' in head,
    'mdetr': lambda head: (
        b'"original_id"' in head and (b'"caption"' in head or b'"tokens_positive"' in head)
    ),
    'refs': lambda head: b'"ref_id"' in head and b'"sentences"' in head,
    'coco': lambda head: (
        (b'"images"' in head or b'"annotations"' in head)
        and (b'"file_name"' in head or b'"image_id"' in head)
    ),
}


def _has_image_and_mask(file: SourceFile, head: bytes) -> bool:
    """Whether the first word of a text file names an image and a mask."""
    first = head.split(maxsplit=1)[:1]
    stem = first[0].decode('utf-8', 'replace') if first else ''
    return all(find_image(file, folder, stem) for folder in ('images', 'masks'))


def find_image(file: SourceFile, folder: str, stem: str) -> SourceFile | None:
    """Return the image of a name without suffix in a folder beside a file."""
    if not re.fullmatch(r'[\w.+-]+', stem) or stem.startswith('.'):
        return None
    names = (f'{folder}/{stem}{suffix}' for suffix in IMAGE_SUFFIXES)
    return next(filter(None, map(file.beside, names)), None)
