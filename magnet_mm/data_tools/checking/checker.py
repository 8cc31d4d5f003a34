# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Checks a whole data root."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from magnet_mm.data_tools.checking.discovery import (
    DataRoot,
    DatasetFolder,
    explore,
    look_elsewhere,
)
from magnet_mm.data_tools.checking.files import check_zip
from magnet_mm.data_tools.checking.findings import Findings
from magnet_mm.data_tools.checking.images import (
    check_contents,
    check_presence,
    image_source,
    list_images,
)
from magnet_mm.data_tools.checking.instances import Instances, Track, check_instances
from magnet_mm.data_tools.checking.overlap import Overlap, find_overlaps
from magnet_mm.data_tools.checking.own import OwnFile, check_own
from magnet_mm.data_tools.checking.published import (
    IMAGE_FOLDERS,
    JSON_LINES,
    LAYOUTS,
    OWN_IMAGES,
    REFS_FILES,
    SIZE_TOLERANCE,
    SOURCES,
)
from magnet_mm.data_tools.checking.refs import RefsFile, check_refs


def untracked(items: Iterable, description: str) -> Iterable:
    """Show no progress."""
    return items


@dataclass
class CheckResult:
    """What :func:`check_root` found.

    Attributes:
        root: The folders and files.
        refs_files: The splits of each usable refs file.
        own: The JSON-lines files of own data.
        images: By dataset, how many of how many annotated images exist.
        decoded: How many images were decoded; None if that was not asked for.
        overlaps: Images in the training split of one refs file and a held-out split of another.
        findings: What is wrong.
        seconds: How long the check took.
    """

    root: DataRoot
    refs_files: list[RefsFile] = field(default_factory=list)
    own: list[OwnFile] = field(default_factory=list)
    images: dict[str, tuple[int, int]] = field(default_factory=dict)
    decoded: int | None = None
    overlaps: list[Overlap] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether no error was found."""
        return not self.findings.number('error')

    @property
    def expressions(self) -> int:
        """How many expressions were checked."""
        refs = sum(split.expressions for file in self.refs_files for split in file.splits.values())
        return refs + sum(file.expressions for file in self.own)


def check_root(root: str | Path, images: bool = False, track: Track = untracked) -> CheckResult:
    """Find and check the datasets of a data root.

    Nothing in the files is run, and nothing is written. Problems do not raise; they are collected
    in the result.

    Args:
        root (str | Path): The data root.
        images (bool): Decode every image, too.
        track (Track): Wraps an iteration (items, description), to show progress.

    Returns:
        CheckResult: Splits, counts and findings.
    """
    start = time.perf_counter()
    root = Path(root).expanduser()
    if not root.is_dir():
        result = CheckResult(DataRoot(root, None, None))
        kind = 'is a file, not a folder' if root.exists() else 'does not exist'
        result.findings.error(str(root), f'{kind}.', 'Give the folder that holds refcoco/ ...')
        return result
    try:
        result = CheckResult(explore(root))
    except OSError as error:
        result = CheckResult(DataRoot(root, None, None))
        problem = f'the folder cannot be read ({error}).'
        result.findings.error(str(root), problem, 'Check its permissions.')
        return result
    _check_archives(result)
    if result.root.empty:
        _explain_nothing_found(result)
    annotated: dict[str, Instances] = {}
    for folder in result.root.datasets:
        instances = _check_dataset(folder, result, track)
        if instances is not None:
            annotated[folder.name] = instances
    for path in result.root.own:
        known = path.parent.name in JSON_LINES
        folders = (path.parent / 'images', path.parent) if known else None
        result.own.append(check_own(path, images, result.findings, track, folders))
    if result.root.datasets:
        _check_images(annotated, images, result, track)
    coco = [file for file in result.refs_files if file.dataset not in OWN_IMAGES]
    alone = [file for file in result.refs_files if file.dataset in OWN_IMAGES]
    for group in (coco, *([file] for file in alone)):
        result.overlaps += find_overlaps(group, result.findings)
    result.seconds = time.perf_counter() - start
    return result


def _check_dataset(folder: DatasetFolder, result: CheckResult, track: Track) -> Instances | None:
    """Check the annotations of one dataset."""
    findings, source = result.findings, SOURCES.get(folder.name, 'where the dataset comes from')
    if folder.path.name != folder.name:
        problem = f'the folder is called {folder.path.name}; the configs look for {folder.name}.'
        findings.error(folder.name, problem, f'Rename it to {folder.name}.')
    instances = None
    where = f'{folder.name}/instances.json'
    if folder.instances.is_file():
        instances = check_instances(folder.instances, where, findings, track)
    else:
        nested = list(folder.path.glob('*/instances.json'))
        advice = f'Move the files of {nested[0].parent} up.' if nested else f'Get it: {source}.'
        findings.error(where, 'the file is missing.', advice)
    for path in folder.refs_files:
        refs = check_refs(folder, path, instances, findings, track)
        if refs is not None:
            result.refs_files.append(refs)
    names = REFS_FILES.get(folder.name, ())
    for name in names:
        if not (folder.path / name).is_file():
            level = 'error' if name == names[0] and not folder.refs_files else 'note'
            where = f'{folder.name}/{name}'
            findings.add(level, where, 'the file is missing.', f'Get it: {source}.')
    return instances


def _check_images(
    annotated: dict[str, Instances], contents: bool, result: CheckResult, track: Track
) -> None:
    """Check that the annotated images exist and, if asked, decode them."""
    root = result.root
    shared = {name: one for name, one in annotated.items() if name not in IMAGE_FOLDERS}
    if any(folder.name not in IMAGE_FOLDERS for folder in root.datasets):
        if root.layout == 'other':
            _note_other_layout(result)
        _check_folder(
            shared, root.image_folder, ' or '.join(LAYOUTS.values()), result, contents, track
        )
    for folder in root.datasets:
        place = IMAGE_FOLDERS.get(folder.name)
        if place is not None and folder.name in annotated:
            path = root.path / place
            path = path if path.is_dir() else None
            own = {folder.name: annotated[folder.name]}
            _check_folder(own, path, place, result, contents, track)


def _note_other_layout(result: CheckResult) -> None:
    """Say that the images lie where no config looks."""
    relative = result.root.image_folder.relative_to(result.root.path)
    result.findings.warning(
        'images',
        f'the images are in {relative}, where no config looks.',
        f'Move or link the folder to {" or ".join(LAYOUTS.values())}, or set '
        f"data_prefix=dict(img_path='{relative}') in the three datasets of the config.",
    )


def _check_folder(
    annotated: dict[str, Instances],
    folder: Path | None,
    expected: str,
    result: CheckResult,
    contents: bool,
    track: Track,
) -> None:
    """Check the images of data sets that share a folder; None where there is no such folder."""
    findings = result.findings
    if folder is None:
        names = list(annotated) or [one.name for one in result.root.datasets]
        advice = f'Get the images: {image_source(names[0])}. Put them into {expected}.'
        findings.error('images', f'there is no image folder ({expected}).', advice)
        return
    files = list_images(folder)
    sizes: dict[str, tuple[int, int]] = {}
    for name, instances in annotated.items():
        names = {
            image['file_name']: (image['height'], image['width'])
            for image in instances.images.values()
        }
        present = check_presence(names, files, folder, name, findings)
        result.images[name] = len(present), len(names)
        sizes.update((name, names[name]) for name in present)
    if contents:
        tolerance = max((SIZE_TOLERANCE.get(name, 0) for name in annotated), default=0)
        decoded = check_contents(sizes, folder, findings, track, tolerance)
        result.decoded = (result.decoded or 0) + decoded


def _check_archives(result: CheckResult) -> None:
    """Report unfinished downloads, damaged archives and archives that were not unpacked."""
    root = result.root.path
    for path in result.root.unfinished:
        advice = 'Let it finish, or delete it and download again.'
        result.findings.warning(str(path.relative_to(root)), 'an unfinished download.', advice)
    there = {folder.path.name for folder in result.root.datasets if folder.refs_files}
    for path in result.root.archives:
        where = str(path.relative_to(root))
        problem = check_zip(path)
        if problem is not None:
            advice = f'Delete it and get it again: {_archive_source(path)}.'
            result.findings.error(where, problem, advice)
        elif path.stem in REFS_FILES and path.stem not in there:
            advice = f"unzip '{path}' -d '{root}'"
            result.findings.error(where, 'the archive was not unpacked.', advice)
        elif path.stem == 'train2014' and result.root.image_folder is None:
            target = (root / LAYOUTS['refer']).parent
            advice = f"unzip '{path}' -d '{target}'"
            result.findings.error(where, 'the archive was not unpacked.', advice)


def _archive_source(path: Path) -> str:
    return SOURCES.get(path.stem, image_source('refcoco') if 'train' in path.stem else 'its source')


def _explain_nothing_found(result: CheckResult) -> None:
    """Says that there is no dataset, and where one seems to be instead."""
    near = look_elsewhere(result.root.path)
    expected = 'refcoco/, refcoco+/, refcocog/, grefcoco/, refshapes/ or *.jsonl'
    if near:
        advice = '; '.join(f'magnet-mm check-data {path} ({what})' for path, what in near[:3])
        advice = f'Perhaps you meant: {advice}.'
    else:
        advice = f'Get RefCOCO: {SOURCES["refcoco"]}; images: {image_source("refcoco")}.'
    result.findings.error(str(result.root.path), f'no dataset is here: no {expected}.', advice)
