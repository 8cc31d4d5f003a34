# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Reads the images that people have: files of any mode, arrays, Pillow images."""

from __future__ import annotations

import io
import os
from typing import Any, TypeAlias

import numpy as np
from mmengine.fileio import get as read_bytes
from PIL import Image, ImageOps, UnidentifiedImageError

from magnet_mm.datasets.image_files import FORMATS, MAX_PIXELS, open_image, to_bgr
from magnet_mm.errors import DataError

ImageSource: TypeAlias = 'str | os.PathLike[str] | bytes | np.ndarray | Image.Image'


def read_image(source: ImageSource, name: str, exif_rotation: bool = True) -> np.ndarray:
    """Read an image as BGR uint8 [H, W, 3].

    As the datasets read it (:func:`magnet_mm.datasets.image_files.to_bgr`), but that transparent
    images are laid on white, which is how people see them.

    Args:
        source: A path or address (as mmengine's file backends read), the bytes of a file, an array
            (uint8, BGR [H, W, 3] as mmcv and OpenCV give, or grey [H, W]), or a Pillow image.
        name: What messages call it.
        exif_rotation: Turn a photograph upright as its EXIF tag says. The datasets of this package
            do not, so ``False`` repeats what ``tools/test.py`` sees.

    Raises:
        DataError: If it cannot be read or has more than 89 million pixels; never half an image.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, name)
    if isinstance(source, Image.Image):
        return _from_pillow(source, name, exif_rotation)
    if not isinstance(source, str | bytes | os.PathLike):
        raise DataError(
            f'{name} is a {type(source).__name__}; an image is a path, a uint8 BGR array [H, W, 3] '
            'or a Pillow image.'
        )
    try:
        content = source if isinstance(source, bytes) else read_bytes(os.fspath(source))
    except OSError as error:
        raise DataError(f'{name} cannot be read ({error}). Check the path.') from error
    if not content:
        raise DataError(f'{name} is an empty file. Copy or download it again.')
    try:
        with open_image(io.BytesIO(content)) as image:
            return _from_pillow(image, name, exif_rotation)
    except UnidentifiedImageError as error:
        raise DataError(
            f'{name} is not an image that Pillow can read as {", ".join(FORMATS)}. Save it as JPEG '
            'or PNG.'
        ) from error
    except Image.DecompressionBombError as error:
        raise DataError(f'{name} is too large: {error}. Make it smaller.') from error
    except (OSError, SyntaxError) as error:  # a header that is cut off
        raise DataError(f'{name} is damaged ({error}). Copy or download it again.') from error


def _from_pillow(image: Image.Image, name: str, exif_rotation: bool) -> np.ndarray:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DataError(
            f'{name} has {width} x {height} pixels, more than the {MAX_PIXELS:,} allowed. Make it '
            'smaller.'
        )
    try:
        if exif_rotation:
            image = ImageOps.exif_transpose(image)
        return to_bgr(_on_white(image), name)
    except DataError:
        raise
    except (OSError, SyntaxError, ValueError, IndexError) as error:
        # what Pillow's decoders raise on damaged files
        raise DataError(f'{name} is damaged ({error}). Copy or download it again.') from error


def _on_white(image: Image.Image) -> Image.Image:
    """Return a transparent image as one sees it on a white page; any other as it is."""
    if image.mode in ('RGBA', 'LA', 'PA', 'La', 'RGBa') or 'transparency' in image.info:
        image = image.convert('RGBA')
        return Image.alpha_composite(Image.new('RGBA', image.size, 'white'), image)
    return image


def _from_array(array: Any, name: str) -> np.ndarray:
    if array.dtype != np.uint8:
        raise DataError(
            f'{name} is an array of {array.dtype}; images are uint8 (0 to 255), BGR [H, W, 3].'
        )
    if array.ndim == 2:
        array = np.repeat(array[:, :, None], 3, axis=2)
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise DataError(
            f'{name} is an array of shape {array.shape}; images are BGR [H, W, 3] or grey [H, W]. '
            'Convert one with transparency to a Pillow image.'
        )
    if array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise DataError(f'{name} has more than {MAX_PIXELS:,} pixels. Make it smaller.')
    return np.ascontiguousarray(array)
