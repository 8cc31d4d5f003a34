# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Checks a JSON-lines file of own data, line by line."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pycocotools import mask as coco_mask

from magnet_mm.data_tools.checking.findings import Findings
from magnet_mm.data_tools.checking.images import image_problem
from magnet_mm.data_tools.checking.instances import Track, mask_problem
from magnet_mm.data_tools.checking.published import (
    JSON_LINES,
    PUBLISHED,
    SplitCounts,
    difference,
)
from magnet_mm.datasets.annotations.jsonl_annotations import (
    complete_records,
    parse_line,
    path_inside,
)
from magnet_mm.datasets.annotations.target_masks import is_png, target_rle
from magnet_mm.datasets.image_files import open_image
from magnet_mm.errors import DataError
from magnet_mm.json_lines import read_lines

FORMAT = 'See docs/data.md, "Own data".'


@dataclass
class OwnFile:
    """Counts of a JSON-lines file; ``present`` says how many of its images exist.

    ``as_published`` compares a known data set with its published counts; None for own data.
    """

    name: str
    refs: int = 0
    images: int = 0
    expressions: int = 0
    present: str = '-'
    splits: list[str] = field(default_factory=list)
    as_published: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain values."""
        return {
            'file': self.name,
            'splits': self.splits,
            'refs': self.refs,
            'images': self.images,
            'expressions': self.expressions,
        }


def check_own(
    path: Path,
    contents: bool,
    findings: Findings,
    track: Track,
    folders: tuple[Path, Path] | None = None,
) -> OwnFile:
    """Check the lines of a file, and the images and masks that they name.

    Args:
        path (Path): The file.
        contents (bool): Decode every image, too.
        findings (Findings): Takes what is found.
        track (Track): Wraps the iteration over the lines, to show progress.
        folders (tuple[Path, Path], optional): Where images and mask PNGs lie. Defaults to the
            file's folder, as in `configs/_base_/datasets/jsonl.py`.

    Returns:
        OwnFile: What the file holds.
    """
    dataset = path.parent.name if path.parent.name in JSON_LINES else None
    where = path.name if dataset is None else f'{dataset}/{path.name}'
    image_folder, mask_folder = map(str, folders or (path.parent, path.parent))
    try:
        texts = list(read_lines(str(path)))
    except DataError as error:
        findings.error(where, str(error), FORMAT)
        return OwnFile(where)
    sizes: dict[str, tuple[int, int] | None] = {}
    lines = []
    for number, text in track(texts, f'{where}: lines'):
        at = f'line {number}'
        try:
            record = parse_line(text, at, mask_folder)
            image = path_inside(image_folder, record['file_name'], f'{at}: "image"')
        except DataError as error:
            findings.error(where, str(error), FORMAT)
            continue
        lines.append((number, record))
        if record['file_name'] not in sizes:
            sizes[record['file_name']] = _image_size(Path(image), where, contents, findings)
        _check_mask(record, sizes[record['file_name']], where, at, findings)
        if not all(sentence['raw'].strip() for sentence in record['sentences']):
            findings.warning(where, 'expressions are empty.', 'Write one, or delete the line.', at)
    if len(lines) == len(texts):
        try:
            complete_records(lines, where)
        except DataError as error:
            findings.error(where, str(error), FORMAT)
    counts = SplitCounts(
        len(lines), len(sizes), sum(len(record['sentences']) for _, record in lines)
    )
    there = sum(size is not None for size in sizes.values())
    return OwnFile(
        where,
        *counts,
        present=f'{there:,} of {len(sizes):,}',
        splits=sorted({record['split'] for _, record in lines if record['split'] is not None}),
        as_published=_as_published(dataset, path.stem, counts, where, findings),
    )


def _as_published(
    dataset: str | None, split: str, counts: SplitCounts, where: str, findings: Findings
) -> bool | None:
    """Compare the file of a split with the published counts; None where none are known."""
    expected = PUBLISHED.get((dataset, None), {}).get(split)
    if expected is None:
        return None
    differing = difference(expected, counts)
    if differing:
        advice = 'Scores on it would not be comparable. Get the files again.'
        findings.error(where, f'split {split} has {differing}.', advice)
    return not differing


def _image_size(
    path: Path, where: str, contents: bool, findings: Findings
) -> tuple[int, int] | None:
    """Height and width from the header of an image; None, with an error, if it cannot be read."""
    if not path.is_file():
        advice = (
            'Paths are relative to the image folder, which is that of the JSON-lines file '
            'where none is given (see docs/data.md).'
        )
        findings.error(where, 'image files are missing.', advice, path)
        return None
    try:
        with open_image(path) as image:
            size = image.height, image.width
    except Exception as error:  # Pillow's readers raise many kinds
        advice = 'Save the image again.'
        findings.error(where, 'images cannot be read.', advice, f'{path}: {error}')
        return None
    problem = image_problem(path, size) if contents else None
    if problem is not None:
        findings.error(where, problem[0], 'Save the image again.', f'{path}{problem[1]}')
    return size


def _check_mask(
    record: dict, size: tuple[int, int] | None, where: str, at: str, findings: Findings
) -> None:
    """Check the mask of a line against the size of its image."""
    mask = record.get('segmentation')
    if mask is None or size is None:
        return
    if is_png(mask):
        try:
            area = coco_mask.area(target_rle(record, *size, at))
        except DataError as error:
            findings.error(where, str(error))
            return
        problem = None if area else ('error', 'masks are empty: no pixel.')
    else:
        problem = mask_problem(mask, *size)
    if problem is not None:
        advice = 'Correct the mask; write null if nothing in the image is meant.'
        findings.add(problem[0], where, problem[1], advice, at)
