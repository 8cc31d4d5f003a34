# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Which sentence is asked of which image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from magnet_mm.apis.image_reading import ImageSource
from magnet_mm.errors import DataError

IMAGE_SUFFIXES = ('.bmp', '.gif', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')


@dataclass
class ImageRequest:
    """One image and the sentences asked of it.

    Attributes:
        source: What :func:`magnet_mm.apis.image_reading.read_image` reads.
        name: The file's name, or ``image_<position>`` for an array or a Pillow image.
        path: The path, or None.
        expressions: The sentences, none of them blank.
    """

    source: ImageSource
    name: str
    path: str | None
    expressions: tuple[str, ...]


def pair_images_and_expressions(images: Any, expressions: Any) -> list[ImageRequest]:
    """Pair images and sentences.

    ====================  ==========================================================
    ``expressions``       meaning
    ====================  ==========================================================
    a string              asked of every image
    a list of strings     one image: all asked of it; a list of images: one per image
    a list of lists       the sentences of each image, in the images' order
    ====================  ==========================================================

    Args:
        images: An image, a folder (its images by name, without subfolders), or a list of these.
        expressions: See the table.

    Raises:
        DataError: If a sentence is blank or no string, the numbers differ, there is no image, or
            a list of sentences meets a folder (which file gets which would hang on their names).
    """
    sources, has_folder = _expand(images)
    if isinstance(expressions, str):
        per_image = [[expressions]] * len(sources)
    elif not isinstance(expressions, Sequence) or not len(expressions):
        raise DataError(
            f'The expressions are {_describe(expressions)}; give a sentence, a list of sentences, '
            'or a list with a list of sentences for each image.'
        )
    elif any(not isinstance(one, str) and isinstance(one, Sequence) for one in expressions):
        per_image = _nested(expressions, len(sources))
    elif len(sources) == 1:
        per_image = [expressions]
    elif has_folder:
        raise DataError(
            f'{len(expressions)} sentences and a folder of images ({len(sources)} in all): it is '
            'not clear which sentence belongs to which file. Give one string for all, or a list '
            'of lists; for every sentence on every image: [sentences] * number of images.'
        )
    elif len(expressions) != len(sources):
        raise DataError(
            f'{len(sources)} images but {len(expressions)} sentences. Give one sentence per '
            'image, a list of lists, or one string for all.'
        )
    else:
        per_image = [[expression] for expression in expressions]
    return [
        _request(position, source, asked)
        for position, (source, asked) in enumerate(zip(sources, per_image, strict=True))
    ]


def images_in_folder(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the images in a folder by name; other files are counted in the log.

    Raises:
        DataError: If there is none.
    """
    files = sorted(path for path in Path(folder).iterdir() if path.is_file())
    found = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    if not found:
        raise DataError(f'{folder} holds no image ({", ".join(IMAGE_SUFFIXES)}).')
    if len(found) < len(files):
        others = len(files) - len(found)
        print_log(f'{folder}: {others} files that are no images are left out', logger='current')
    return found


def _expand(images: Any) -> tuple[list[ImageSource], bool]:
    """Return a flat list of images, and whether a folder was among them."""
    given = list(images) if isinstance(images, list | tuple) else [images]
    sources, has_folder = [], False
    for image in given:
        if isinstance(image, str | os.PathLike) and os.path.isdir(image):
            sources.extend(images_in_folder(image))
            has_folder = True
        else:
            sources.append(image)
    if not sources:
        raise DataError('There are no images: the list is empty.')
    return sources, has_folder


def _nested(expressions: Sequence[Any], count: int) -> list[Sequence[str]]:
    if any(isinstance(one, str) for one in expressions):
        raise DataError(
            'The expressions mix sentences and lists of sentences; make every entry a list.'
        )
    if len(expressions) != count:
        raise DataError(
            f'{count} images but {len(expressions)} lists of sentences. Give one list per image.'
        )
    return list(expressions)


def _request(position: int, source: ImageSource, expressions: Sequence[str]) -> ImageRequest:
    path = os.fspath(source) if isinstance(source, str | os.PathLike) else None
    name = os.path.basename(path) if path else f'image_{position:04d}'
    if not len(expressions):
        raise DataError(f'{name} has no sentence. Give at least one.')
    for expression in expressions:
        if not isinstance(expression, str):
            raise DataError(f'A sentence of {name} is {_describe(expression)}; give a string.')
        if not expression.strip():
            raise DataError(f'A sentence of {name} is blank. Say what to look for.')
    return ImageRequest(source, name, path, tuple(expressions))


def _describe(value: Any) -> str:
    return 'empty' if value in ([], ()) else f'a {type(value).__name__}'
