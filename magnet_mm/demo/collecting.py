# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A folder of own data that grows by one image, sentence and mask at a time."""

from __future__ import annotations

import fcntl
import io
import re
from pathlib import Path

import cv2
import numpy as np

from magnet_mm.atomic_files import write_atomically
from magnet_mm.datasets.image_files import open_image
from magnet_mm.errors import DataError
from magnet_mm.evaluation import encode_mask
from magnet_mm.json_lines import to_text

LINES, IMAGES = 'collected.jsonl', 'images'
_ORIENTATION = 0x0112  # EXIF tag
_UPRIGHT = (None, 0, 1)


class Collection:
    """Writes ``collected.jsonl`` and ``images/`` (docs/data.md, "Own data").

    A line is added to the whole file, which appears complete or not at all; several processes take
    turns. No file is ever overwritten: an image keeps its own name, and gets a number behind it
    where the name is taken by another picture.

    Args:
        folder: Where to; it is made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines = folder / LINES

    def add(
        self, content: bytes, name: str, image: np.ndarray, sentence: str, mask: np.ndarray | None
    ) -> int:
        """Add a line.

        Args:
            content: The image file.
            name: Its own name.
            image: BGR uint8 [H, W, 3], upright. Training does not turn images as EXIF says, so that
                of a photograph stored sideways this is written, as PNG.
            sentence: What is meant.
            mask: Bool [H, W]; None: nothing in the image is meant.

        Returns:
            Number of lines in the file.

        Raises:
            DataError: The folder cannot be written.
        """
        try:
            (self.folder / IMAGES).mkdir(parents=True, exist_ok=True)
            with open(self.folder / '.lock', 'w') as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                content, suffix = _to_store(content, image)
                line = dict(
                    image=f'{IMAGES}/{self._store(content, _safe(name) + suffix)}',
                    expression=sentence,
                    mask=None if mask is None else encode_mask(mask),
                )
                before = self.lines.read_bytes() if self.lines.exists() else b''
                if before and not before.endswith(b'\n'):
                    before += b'\n'
                after = before + to_text(line).encode()
                write_atomically(self.lines, after)
        except OSError as error:
            raise DataError(f'{self.folder} cannot be written ({error}).') from error
        return len(after.splitlines())

    def _store(self, content: bytes, name: str) -> str:
        """Write the image unless it is there; returns its name."""
        path = self.folder / IMAGES / name
        number = 1
        while path.exists() and path.read_bytes() != content:
            number += 1
            path = path.with_name(f'{Path(name).stem}_{number}{Path(name).suffix}')
        if not path.exists():
            write_atomically(path, content)
        return path.name


def _safe(name: str) -> str:
    """Return a file name without its suffix, of letters that every system takes."""
    stem = re.sub(r'[^\w-]+', '_', Path(name).stem).strip('_')
    return stem[:80] or 'image'


def _to_store(content: bytes, image: np.ndarray) -> tuple[bytes, str]:
    """Return the file to write and its suffix."""
    with open_image(io.BytesIO(content)) as opened:
        upright = opened.getexif().get(_ORIENTATION) in _UPRIGHT
        kind = opened.format.lower()
    if upright:
        return content, '.jpg' if kind == 'jpeg' else f'.{kind}'
    return cv2.imencode('.png', image)[1].tobytes(), '.png'
