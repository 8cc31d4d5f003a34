# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Checks that image files exist and, if asked, that each decodes at its annotated size."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from magnet_mm.data_tools.checking.findings import Findings
from magnet_mm.data_tools.checking.instances import Track
from magnet_mm.data_tools.checking.published import (
    IMAGE_FOLDERS,
    IMAGES_SOURCE,
    OWN_IMAGES,
    SOURCES,
)
from magnet_mm.datasets.image_files import open_image

#: Images given to a thread at once (our choice).
CHUNK = 64


def list_images(folder: Path) -> set[str]:
    """Return the names of the files in an image folder that are not empty."""
    with os.scandir(folder) as entries:
        return {entry.name for entry in entries if entry.is_file() and entry.stat().st_size}


def check_presence(
    names: Iterable[str], files: set[str], folder: Path, where: str, findings: Findings
) -> list[str]:
    """Look for every annotated image.

    Args:
        names (Iterable[str]): Annotated file names, relative to the folder.
        files (set[str]): What :func:`list_images` found.
        folder (Path): The image folder.
        where (str): The dataset, for findings.
        findings (Findings): Takes what is found.

    Returns:
        list[str]: The names that exist.
    """
    present = []
    for name in names:
        if name in files or ('/' in name and (folder / name).is_file()):
            present.append(name)
        else:
            findings.error(
                where,
                'image files are missing or empty.',
                f'Get them: {image_source(where)}.',
                name,
            )
    return present


def image_source(dataset: str) -> str:
    """Where users find the images of a dataset."""
    if dataset in OWN_IMAGES or dataset in IMAGE_FOLDERS:
        both = dataset == 'ref-zom'
        return f'{IMAGES_SOURCE} and val2014.zip' if both else SOURCES[dataset]
    return IMAGES_SOURCE


def check_contents(
    images: dict[str, tuple[int, int]],
    folder: Path,
    findings: Findings,
    track: Track,
    tolerance: int = 0,
) -> int:
    """Decode every image.

    Args:
        images (dict): Annotated (height, width) by file name; the files exist.
        folder (Path): The image folder.
        findings (Findings): Takes what is found.
        track (Track): Wraps the iteration over the images, to show progress.
        tolerance (int): By how many rows and columns a size may differ.

    Returns:
        int: How many images were decoded without a problem.
    """
    good = 0
    with ThreadPoolExecutor(max(1, os.cpu_count() or 1)) as pool:
        problems = pool.map(
            lambda item: image_problem(folder / item[0], item[1], tolerance),
            images.items(),
            chunksize=CHUNK,
        )
        for name, problem in zip(images, track(problems, 'images'), strict=True):
            if problem is None:
                good += 1
            else:
                advice = 'Get the original files again, or correct the annotation.'
                findings.error('images', problem[0], advice, f'{name}{problem[1]}')
    return good


def image_problem(path: Path, size: tuple[int, int], tolerance: int = 0) -> tuple[str, str] | None:
    """Return what is wrong with an image file: a sentence and a detail; None if nothing is.

    The size in the header is compared first, so that no larger image than annotated is decoded.

    Args:
        path (Path): The file.
        size (tuple[int, int]): Annotated height and width in pixels.
        tolerance (int): By how many rows and columns it may differ.
    """
    try:
        with open_image(path) as image:
            height, width = image.height, image.width
            if max(abs(height - size[0]), abs(width - size[1])) > tolerance:
                detail = f': {width} x {height} instead of {size[1]} x {size[0]} pixels'
                return 'images have another size than annotated.', detail
            image.load()
    except Image.DecompressionBombError:
        return 'images are too large to be decoded safely.', ''
    except Exception as error:  # Pillow's decoders raise many kinds
        return 'images are damaged or truncated.', f' ({type(error).__name__}: {error})'
    return None
