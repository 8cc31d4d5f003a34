# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Drawing: a mask over an image, panels with the referring expression, and a contact sheet.

All images are RGB uint8 [H, W, 3]. Sizes and colours are our choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from magnet_mm.errors import DataError
from magnet_mm.text_safety import printable

Color = tuple[int, int, int]

GROUND_TRUTH_COLOR: Color = (0, 158, 115)  # Okabe-Ito green, told apart by colour-blind readers
PREDICTION_COLOR: Color = (213, 94, 0)  # Okabe-Ito vermilion
MIN_PANEL, MAX_PANEL = 320, 640  # pixels of a panel's longer side
GAP = 8
TEXT_SIZE, LABEL_SIZE = 20, 15


def overlay_mask(
    image: np.ndarray,
    mask: np.ndarray,
    color: Color,
    alpha: float = 0.5,
    contour: bool = True,
) -> np.ndarray:
    """Lay a mask over an image.

    Args:
        image: RGB uint8 [H, W, 3]; it is not changed.
        mask: [H, W], bool or 0/1.
        color: RGB of the mask.
        alpha: opacity of the mask, 0 to 1.
        contour: draw the mask's outline, in ``color`` with a white rim outside.

    Returns:
        RGB uint8 [H, W, 3].

    Raises:
        DataError: if the sizes or the image's type are wrong.
    """
    mask = np.asarray(mask).astype(bool)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise DataError(
            f'overlay_mask: image should be uint8 [H, W, 3], got {image.dtype} {image.shape}'
        )
    if mask.shape != image.shape[:2]:
        raise DataError(
            f'overlay_mask: the mask is {mask.shape}, the image {image.shape[:2]}; resize the mask '
            '(nearest) to the image first'
        )
    result = image.copy()
    if contour:
        outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        line = max(2, round(min(mask.shape) / 120))
        cv2.drawContours(result, outlines, -1, (255, 255, 255), line + 2)
    blended = (1 - alpha) * image[mask] + alpha * np.asarray(color, dtype=np.float64)
    result[mask] = np.rint(blended).astype(np.uint8)
    if contour:
        cv2.drawContours(result, outlines, -1, tuple(int(c) for c in color), line)
    return result


def draw_panels(
    image: np.ndarray,
    expression: str | None = None,
    ground_truth: np.ndarray | None = None,
    prediction: np.ndarray | None = None,
    iou: float | None = None,
    alpha: float = 0.35,
    titles: bool = True,
    max_panel: int = MAX_PANEL,
) -> np.ndarray:
    """Draw image | ground truth | prediction side by side, under the referring expression.

    Small images are enlarged to 320 pixels, large ones reduced to 640 (longer side). Masks may have
    another size than the image (the network's input size): they are resized by nearest neighbour.

    Args:
        image: RGB uint8 [H, W, 3].
        expression: the sentence; ``None`` leaves the caption out, a blank one is said to be blank.
        ground_truth: [h, w] of 0 and 1, or ``None`` for no such panel.
        prediction: [h, w] of 0 and 1, or ``None`` for no such panel.
        iou: 0 to 1, written above the prediction.
        alpha: opacity of the masks.
        titles: write the caption and the panels' titles.
        max_panel: longer side of a panel in pixels, at most.

    Returns:
        RGB uint8 [H', W', 3].
    """
    image = fit_panel(image, max_panel)
    panels = [('image', image)]
    if ground_truth is not None:
        panels.append(('ground truth', draw_mask(image, ground_truth, GROUND_TRUTH_COLOR, alpha)))
    if prediction is not None:
        title = 'prediction' if iou is None else f'prediction, IoU {100 * iou:.1f} %'
        panels.append((title, draw_mask(image, prediction, PREDICTION_COLOR, alpha)))
    width = image.shape[1]

    columns = [
        np.concatenate([text_bar(title, width, LABEL_SIZE), panel]) if titles else panel
        for title, panel in panels
    ]
    gap = np.full((columns[0].shape[0], GAP, 3), 255, dtype=np.uint8)
    parts = [part for column in columns for part in (gap, column)][1:]
    drawn = np.concatenate(parts, axis=1)
    if titles and expression is not None:
        sentence = printable(expression)
        caption = f'\N{LEFT DOUBLE QUOTATION MARK}{sentence}\N{RIGHT DOUBLE QUOTATION MARK}'
        bar = text_bar(caption if sentence else '(blank sentence)', drawn.shape[1], TEXT_SIZE)
        drawn = np.concatenate([bar, drawn])
    return drawn


def draw_mask(image: np.ndarray, mask: np.ndarray, color: Color, alpha: float = 0.35) -> np.ndarray:
    """Lay a mask of any size over an image whose other pixels are faded.

    Args:
        image: RGB uint8 [H, W, 3].
        mask: [h, w] of 0 and 1; it is resized to the image by nearest neighbour.
        color: RGB of the mask.
        alpha: opacity of the mask.

    Returns:
        RGB uint8 [H, W, 3].
    """
    mask = _resize_mask(mask, *image.shape[:2])
    return overlay_mask(_fade(image, mask), mask, color, alpha)


def contact_sheet(pictures: Sequence[np.ndarray], columns: int = 2) -> np.ndarray:
    """Put pictures of any size on one white sheet, row by row.

    Args:
        pictures: RGB uint8 [H_i, W_i, 3] each.
        columns: pictures per row.

    Returns:
        RGB uint8 [H, W, 3].

    Raises:
        DataError: if there are no pictures.
    """
    if not pictures:
        raise DataError('contact_sheet: there are no pictures to show')
    rows = [pictures[i : i + columns] for i in range(0, len(pictures), columns)]
    cell_width = max(picture.shape[1] for picture in pictures)
    strips = []
    for row in rows:
        height = max(picture.shape[0] for picture in row)
        width = min(columns, len(pictures)) * (cell_width + 3 * GAP) + 3 * GAP
        strip = np.full((height + 3 * GAP, width, 3), 255, dtype=np.uint8)
        for i, picture in enumerate(row):
            left = 3 * GAP + i * (cell_width + 3 * GAP)
            strip[GAP : GAP + picture.shape[0], left : left + picture.shape[1]] = picture
        strips.append(strip)
    return np.concatenate(strips)


def fit_panel(image: np.ndarray, max_panel: int) -> np.ndarray:
    """Enlarge small images to ``MIN_PANEL`` and reduce large ones to ``max_panel`` pixels."""
    longer = max(image.shape[:2])
    scale = min(max(longer, MIN_PANEL), max_panel) / longer
    if scale == 1:
        return image
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    return cv2.resize(image, (width, height), interpolation=method)


def _fade(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Take half the colour from everything outside the mask, so that the mask stands out."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float64)
    faded = np.rint(0.4 * image + 0.4 * gray).astype(np.uint8)
    return np.where(mask[..., None] > 0, image, faded)


def _resize_mask(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    mask = np.asarray(mask).astype(np.uint8)
    return cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans out of matplotlib: the same letters on every machine."""
    path = Path(matplotlib.get_data_path()) / 'fonts' / 'ttf' / 'DejaVuSans.ttf'
    return ImageFont.truetype(str(path), size)


def _wrap(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Break text into lines of at most ``width`` pixels; a longer word is broken anywhere."""
    lines = ['']
    for word in text.split(' '):
        candidate = f'{lines[-1]} {word}' if lines[-1] else word
        if font.getlength(candidate) <= width:
            lines[-1] = candidate
            continue
        if lines[-1]:
            lines.append('')
        for character in word:
            if lines[-1] and font.getlength(lines[-1] + character) > width:
                lines.append('')
            lines[-1] += character
    return lines


def text_bar(text: str, width: int, size: int) -> np.ndarray:
    """Return a white bar [h, width, 3] with the text on as many lines as it needs."""
    font = _font(size)
    lines = _wrap(text, font, width - GAP)
    line_height = round(1.35 * size)
    bar = Image.new('RGB', (width, len(lines) * line_height + GAP), 'white')
    draw = ImageDraw.Draw(bar)
    for i, line in enumerate(lines):
        draw.text((GAP // 2, GAP // 2 + i * line_height), line, fill='black', font=font)
    return np.asarray(bar)
