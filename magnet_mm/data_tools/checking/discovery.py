# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Finds the datasets of a data root: folders, layout, archives and unfinished downloads."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from magnet_mm.data_tools.checking.published import (
    JSON_LINES,
    LAYOUTS,
    OTHER_NAMES,
    REFS_FILES,
)

UNFINISHED = ('.part', '.partial', '.crdownload', '.aria2', '.download', '.tmp')
#: Where images lie in other projects; found, but not what the configs expect.
OTHER_IMAGE_FOLDERS = (
    'images/train2014',
    'images/mscoco/train2014',
    'mscoco/images/train2014',
    'coco/train2014',
    'images/mscoco/images/train2014/train2014',
    'train2014/train2014',
)
#: How deep, and in how large folders, a misplaced dataset is looked for.
SEARCH_DEPTH = 3
SEARCH_ENTRIES = 500


@dataclass
class DatasetFolder:
    """The folder of one dataset: ``name``, ``path``, and the refs files in it."""

    name: str
    path: Path
    refs_files: list[Path]

    @property
    def instances(self) -> Path:
        """Its ``instances.json``, which may be missing."""
        return self.path / 'instances.json'


@dataclass
class DataRoot:
    """What lies in a data root.

    ``layout`` is ``refer``, ``mmdetection``, ``other`` (images elsewhere) or None (no images).
    """

    path: Path
    layout: str | None
    image_folder: Path | None
    datasets: list[DatasetFolder] = field(default_factory=list)
    own: list[Path] = field(default_factory=list)
    archives: list[Path] = field(default_factory=list)
    unfinished: list[Path] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether no dataset was found."""
        return not self.datasets and not self.own


def explore(root: Path) -> DataRoot:
    """Look into a data root, and no deeper than the layouts go."""
    layout, images = _image_folder(root)
    found = DataRoot(root, layout, images)
    for path in sorted(root.iterdir()):
        if path.is_dir():
            if path.name in JSON_LINES:
                found.own += sorted(path.glob('*.jsonl'))
            folder = _dataset_folder(path)
            if folder is not None:
                found.datasets.append(folder)
        elif path.suffix == '.jsonl':
            found.own.append(path)
    order = list(REFS_FILES)
    found.datasets.sort(
        key=lambda one: (order.index(one.name) if one.name in order else len(order), one.name)
    )
    places = {root, *(one.path for one in found.datasets), root / 'images', root / 'images/mscoco'}
    for place in sorted(places):
        for path in sorted(_entries(place)):
            if path.suffix in UNFINISHED and path.is_file():
                found.unfinished.append(path)
            elif path.suffix == '.zip' and path.is_file():
                found.archives.append(path)
    return found


def look_elsewhere(root: Path) -> list[tuple[Path, str]]:
    """Return data roots near a folder that is none: above it, and up to three levels below.

    Returns:
        Pairs of a path and what it is, best first.
    """
    found: list[tuple[Path, str]] = []
    root = root.absolute()
    if (root / 'instances.json').is_file() or any(root.glob('*refs(*).*')):
        found.append((root.parent, f'{root} is the folder of one dataset; its data root is above'))
    above = [root.parent, *root.parent.parents[:3]]
    for parent in above:
        if any(root == parent / folder for folder in LAYOUTS.values()) and parent != root:
            found.append((parent, f'{root} is the image folder; the data root is above'))
    for path in _walk(root, SEARCH_DEPTH):
        if (path / 'instances.json').is_file() and path.parent != root and path != root:
            entry = (path.parent, 'a data root')
            if entry not in found:
                found.append(entry)
    return found


def split_by(refs_file: Path) -> str:
    """Return the division that a refs file's name states: ``refs(unc).p`` gives ``unc``."""
    return refs_file.name.partition('(')[2].partition(')')[0] or refs_file.stem


def _image_folder(root: Path) -> tuple[str | None, Path | None]:
    """Layout and image folder; a folder with images goes before an empty one."""
    present = [(name, root / folder) for name, folder in LAYOUTS.items()]
    present = [(name, folder) for name, folder in present if folder.is_dir()]
    filled = [entry for entry in present if _holds_images(entry[1])]
    if filled:
        return filled[0]
    for folder in OTHER_IMAGE_FOLDERS:
        if _holds_images(root / folder):
            return 'other', root / folder
    return present[0] if present else (None, None)


def _holds_images(folder: Path) -> bool:
    """Whether a folder has a file that looks like an image."""
    try:
        with os.scandir(folder) as entries:
            return any(entry.name.lower().endswith(('.jpg', '.jpeg', '.png')) for entry in entries)
    except OSError:
        return False


def _dataset_folder(path: Path) -> DatasetFolder | None:
    """Return the dataset in a folder, if its name or its files say that it is one."""
    refs_files = sorted(path.glob('refs(*).p')) + sorted(path.glob('grefs(*).*'))
    refs_files = [file for file in refs_files if file.suffix in ('.p', '.json')]
    named = path.name in REFS_FILES or path.name in OTHER_NAMES
    if any((path / name).is_dir() for name in ('images', 'train2014')):
        named = False  # a data root of its own, as data/refshapes
    if not (named or refs_files):
        return None
    return DatasetFolder(OTHER_NAMES.get(path.name, path.name), path, refs_files)


def _entries(folder: Path) -> list[Path]:
    """List the entries of a folder; none if it is no folder or as full as image folders are."""
    try:
        with os.scandir(folder) as entries:
            paths = [Path(entry.path) for entry in itertools.islice(entries, SEARCH_ENTRIES)]
    except OSError:
        return []
    return paths if len(paths) < SEARCH_ENTRIES else []


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    """Return the folders below a folder, to a depth; links are not followed."""
    for path in sorted(_entries(folder)):
        if path.is_dir() and not path.is_symlink() and not path.name.startswith('.'):
            yield path
            if depth > 1:
                yield from _walk(path, depth - 1)
