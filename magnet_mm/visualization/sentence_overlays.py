# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Several sentences on one image in colours of their own, and probability maps as heat maps."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import matplotlib
import numpy as np

from magnet_mm.visualization.panels import Color, overlay_mask

# Okabe-Ito, told apart by colour-blind readers, from the strongest on an average photograph
SENTENCE_COLORS: tuple[Color, ...] = (
    (213, 94, 0),
    (0, 114, 178),
    (0, 158, 115),
    (204, 121, 167),
    (240, 228, 66),
    (86, 180, 233),
    (230, 159, 0),
)
HEAT_COLORS = 'magma'  # matplotlib's: even steps of lightness


def sentence_color(number: int) -> Color:
    """RGB of sentence ``number`` (0, 1, ...); the colours repeat after seven."""
    return SENTENCE_COLORS[number % len(SENTENCE_COLORS)]


def overlay_sentences(
    image: np.ndarray, masks: Sequence[np.ndarray], alpha: float = 0.45
) -> np.ndarray:
    """Lay the mask of each sentence over an image, in the colour of the sentence.

    Where masks overlap, later sentences lie on top.

    Args:
        image: RGB uint8 [H, W, 3].
        masks: [H, W] of 0 and 1, one per sentence.
        alpha: opacity of the masks.

    Returns:
        RGB uint8 [H, W, 3].
    """
    for number, mask in enumerate(masks):
        image = overlay_mask(image, mask, sentence_color(number), alpha)
    return image


def heat_map(image: np.ndarray, probability: np.ndarray, alpha: float = 0.7) -> np.ndarray:
    """Lay a probability map over the grey image: dark violet is 0, light yellow 1.

    Args:
        image: RGB uint8 [H, W, 3].
        probability: float [H, W] of 0 to 1.
        alpha: opacity of the heat.

    Returns:
        RGB uint8 [H, W, 3].
    """
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    levels = np.rint(np.clip(probability, 0, 1) * 255).astype(np.uint8)
    colors = matplotlib.colormaps[HEAT_COLORS](np.arange(256))[:, :3] * 255
    return np.rint((1 - alpha) * gray + alpha * colors[levels]).astype(np.uint8)
