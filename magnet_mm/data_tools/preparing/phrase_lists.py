# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""RefSegRS: text files of `<image> <phrase>`, an image and a mask each, to JSON lines."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from magnet_mm.data_tools.preparing.original_files import source_paths
from magnet_mm.data_tools.preparing.prepared import Dropped, Prepared
from magnet_mm.data_tools.preparing.recognition import find_image
from magnet_mm.data_tools.preparing.source_files import SourceFile
from magnet_mm.datasets.image_files import open_image
from magnet_mm.errors import DataError
from magnet_mm.evaluation.results_io import encode_mask
from magnet_mm.json_lines import to_text

_SPLIT = re.compile(r'(?<![A-Za-z])(train|val|test)(?![A-Za-z])')


def prepare_phrase_lists(files: Sequence[SourceFile]) -> Prepared:
    """Write a line per phrase with its mask (not 0 = object) as RLE; images are copied.

    Raises:
        DataError: A line has no image, mask or phrase, sizes differ, or a name has no split.
    """
    dropped = Dropped()

    def contents() -> Iterator[tuple[str, bytes]]:
        written: set[str] = set()
        for file in files:
            found = _SPLIT.findall(file.name)
            if not found:
                raise DataError(f'{file}: its name has no split (train, val, test).')
            lines = []
            for line, image in _lines(file, found[-1], dropped):
                lines.append(to_text(line))
                if image.name not in written:
                    written.add(image.name)
                    yield f'images/{image.name}', image.read()
            yield f'{found[-1]}.jsonl', ''.join(lines).encode()

    what = f'RefSegRS, {len(files)} text file(s) and mask images as JSON lines'
    return Prepared('refsegrs', what, source_paths(files), contents, dropped)


def _lines(
    file: SourceFile, split: str, dropped: Dropped
) -> Iterator[tuple[dict[str, Any], SourceFile]]:
    try:
        texts = file.read().decode('utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f'{file}: not UTF-8 ({error}). Get the file again.') from error
    objects: dict[str, int] = {}  # lines about one mask share an ann_id
    for number, text in enumerate(texts, start=1):
        where = f'{file}, line {number}'
        stem, _, phrase = text.strip().partition(' ')
        if not stem:
            continue
        if not phrase.strip():
            dropped.add('phrases', 'no phrase', where)
            continue
        image, mask = (find_image(file, folder, stem) for folder in ('images', 'masks'))
        if image is None or mask is None:
            lacking = 'image' if image is None else 'mask'
            raise DataError(f'{where}: there is no {lacking} of {stem}. Get the data set again.')
        pixels = _mask(mask)
        with open_image(io.BytesIO(image.read())) as opened:
            size = opened.height, opened.width
        if pixels.shape != size:
            raise DataError(
                f'{where}: the mask is {pixels.shape}, the image {size} (height, width). Get the '
                'data set again.'
            )
        if not pixels.any():
            dropped.add('phrases', 'the mask is empty', where)
            continue
        line = dict(image=image.name, expression=phrase.strip(), mask=encode_mask(pixels))
        line.update(split=split, ref_id=number, ann_id=objects.setdefault(stem, number))
        yield line, image


def _mask(file: SourceFile) -> np.ndarray:
    """Return a mask image as bool [H, W]; of several channels, any that is not 0 counts."""
    try:
        with open_image(io.BytesIO(file.read())) as image:
            grey = image.convert('RGB') if image.mode in ('RGBA', 'LA') else image  # no opacity
            pixels = np.asarray(grey)
    except Exception as error:  # Pillow's decoders raise many kinds
        raise DataError(f'{file}: the mask cannot be read ({error}). Get it again.') from error
    return pixels.any(-1) if pixels.ndim == 3 else pixels != 0
