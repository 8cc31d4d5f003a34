# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The one place where image files of strangers are opened and decoded (our choice)."""

from __future__ import annotations

import os
from typing import BinaryIO

import numpy as np
from PIL import Image

from magnet_mm.errors import DataError

# What photographs and remote-sensing images come in. Pillow's other formats are left out: some
# start programs (EPS runs Ghostscript), and an extension says nothing about the content.
FORMATS = ('JPEG', 'PNG', 'WEBP', 'TIFF', 'BMP', 'GIF')
# From here on Pillow itself warns of a decompression bomb; it refuses twice that in any case.
MAX_PIXELS = 89_478_485
_DEEP_MODES = ('I;16', 'I;16B', 'I;16L', 'I;16N')


def open_image(
    file: str | os.PathLike[str] | BinaryIO, formats: tuple[str, ...] = FORMATS
) -> Image.Image:
    """Open an image without decoding it; use it in a ``with`` statement.

    Raises:
        PIL.UnidentifiedImageError: It has none of the formats, whatever its name says.
        OSError: It cannot be read.
    """
    return Image.open(file, formats=formats)


def to_bgr(image: Image.Image, where: str) -> np.ndarray:
    """Decode a Pillow image to uint8 [H, W, 3], BGR; grey and 16-bit images too.

    Raises:
        DataError: The pixels are 32-bit or floating-point numbers, whose range is unknown.
    """
    if image.mode in _DEEP_MODES:
        grey = np.asarray(image.convert('I')) >> 8  # 65535 becomes 255; Pillow would clip at 255
        return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    if image.mode in ('I', 'F'):
        raise DataError(
            f'{where}: the image has {"32-bit" if image.mode == "I" else "floating-point"} pixels, '
            'whose range nothing tells. Convert it to 8 bits per channel.'
        )
    return np.ascontiguousarray(np.asarray(image.convert('RGB'))[..., ::-1])
