# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Own data in any of its forms to one file of JSON lines with splits."""

from __future__ import annotations

import posixpath
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from magnet_mm.data_tools.checking.checker import untracked
from magnet_mm.data_tools.checking.findings import Findings
from magnet_mm.data_tools.checking.own import check_own
from magnet_mm.data_tools.checking.report import print_findings
from magnet_mm.data_tools.conversion import coco_to_jsonl, labelme_to_jsonl, masks_to_jsonl
from magnet_mm.errors import DataError
from magnet_mm.json_lines import parse_object, read_lines, write_lines

TRAIN, VAL = 'train', 'val'


@dataclass(frozen=True)
class OwnData:
    """A file of own data with a split in every line, and where its images and mask PNGs lie.

    ``note`` says how the splits came about; ``sizes`` counts the lines of each.
    """

    file: Path
    images: Path
    masks: Path
    note: str
    sizes: dict[str, int]
    sentences: dict[str, list[str]]
    says_nothing: bool


@dataclass(frozen=True)
class Source:
    """What the user named.

    Attributes:
        data: JSON lines; a CSV table for images and masks named alike; COCO instances; or a folder
            of LabelMe files.
        images: Folder of the images; None takes the folder of the data.
        masks: Folder of mask PNGs; None takes the folder of the data.
        sentences: Sentences about COCO instances; None takes those of the annotations.
    """

    data: Path
    images: Path | None = None
    masks: Path | None = None
    sentences: Path | None = None


def collect(source: Source, out: Path, val_share: float, seed: int) -> OwnData:
    """Convert, split by image where there are no splits, and write the JSON-lines file ``out``.

    Args:
        source: The data.
        out: The file to write.
        val_share: Share of the images that become ``val`` where the data has no splits.
        seed: Draws them.

    Raises:
        DataError: The data cannot be read, or lacks one of the two splits.
    """
    home = source.data if source.data.is_dir() else source.data.parent
    images, masks = source.images or home, source.masks or home
    lines = _read(source, images, masks)
    given = sum('split' in line for line in lines)
    if given not in (0, len(lines)):
        raise DataError(
            f'{source.data}: {given} of {len(lines)} lines have a split. Give one to every line, '
            'or to none.'
        )
    note = f'the splits of {source.data.name}'
    if not given:
        note = _split_by_image(lines, val_share, seed, source.data)
    sizes = {split: sum(line['split'] == split for line in lines) for split in (TRAIN, VAL)}
    if not all(sizes.values()):
        found = ', '.join(sorted({str(line['split']) for line in lines}))
        raise DataError(
            f'{source.data}: the splits are {found}; a training needs "{TRAIN}" and "{VAL}". '
            'Rename them, or leave "split" out of every line.'
        )
    write_lines(out, lines)
    return OwnData(
        out,
        images,
        masks,
        note,
        sizes,
        {split: _sentences(lines, split) for split in (TRAIN, VAL)},
        any(line.get('mask') is None for line in lines),
    )


def check(data: OwnData, console: Console) -> None:
    """Check every line, image and mask, and print what is found.

    Raises:
        DataError: There is an error among it.
    """
    findings = Findings()
    check_own(data.file, True, findings, untracked, (data.images, data.masks))
    if list(findings):
        print_findings(findings, console)
    errors = findings.number('error')
    if errors:
        raise DataError(
            f'{data.file.name} has {errors} sort(s) of errors, see the table; nothing was trained. '
            'Correct the data and start again.'
        )


def _read(source: Source, images: Path, masks: Path) -> list[dict]:
    """Return the lines of the data, each a JSON object."""
    path, kind = source.data, source.data.suffix.lower()
    if not path.exists():
        raise DataError(f'There is no {path}.')
    with tempfile.TemporaryDirectory() as folder:
        converted = Path(folder) / 'lines.jsonl'
        if path.is_dir():
            labelme_to_jsonl(path, images, converted)
        elif kind == '.csv':
            masks_to_jsonl(path, masks, converted)
        elif kind == '.json':
            coco_to_jsonl(path, source.sentences, converted)
        elif kind == '.jsonl':
            converted = path
        else:
            raise DataError(
                f'{path}: give JSON lines (.jsonl), a table of sentences about masks (.csv), COCO '
                'instances (.json), or a folder of LabelMe files (docs/finetune.md).'
            )
        return [parse_object(text, f'{path}, line {n}') for n, text in read_lines(converted)]


def _split_by_image(lines: list[dict], share: float, seed: int, path: Path) -> str:
    """Give every line a split, all lines of an image the same; returns what was done."""
    names = [posixpath.normpath(str(line.get('image'))) for line in lines]
    images = sorted(set(names))
    if len(images) < 2:
        raise DataError(
            f'{path}: all lines are about one image; validation needs another one. Add images.'
        )
    count = min(max(1, round(share * len(images))), len(images) - 1)
    order = np.random.default_rng(seed).permutation(len(images))
    held_out = {images[index] for index in order[:count]}
    for line, name in zip(lines, names, strict=True):
        line['split'] = VAL if name in held_out else TRAIN
    return f'{count} of {len(images)} images drawn for val, seed {seed}'


def _sentences(lines: list[dict], split: str) -> list[str]:
    """Return the sentences of a split; what is no sentence the checker finds."""
    found = []
    for line in lines:
        texts = line.get('expressions', [line.get('expression')])
        if line['split'] == split and isinstance(texts, list):
            found += [text for text in texts if isinstance(text, str)]
    return found
