# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Answers that people correct by brush; knows nothing of gradio but the editor's value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import mmcv
import numpy as np

from magnet_mm.apis import ReferringSegInferencer
from magnet_mm.apis.image_reading import read_image
from magnet_mm.demo.answering import decode_picture, split_sentences
from magnet_mm.demo.collecting import Collection
from magnet_mm.demo.rendering import render_hint, render_notice
from magnet_mm.errors import DataError

COLOR = (213, 94, 0)  # of the brush, RGB
OPACITY = 153  # of 255: the object shows through
# The editor's canvas, pixels. gradio lays a layer over a picture rightly where both are as large as
# the canvas, so pictures are fitted into its upper left corner.
SIDE = 800
_GREY = 128


@dataclass
class Corrector:
    """Lays the model's mask over a picture to paint on, and saves what was made of it.

    Args:
        inferencer: The model.
        max_bytes: Largest image file.
        collection: Where the lines go.
    """

    inferencer: ReferringSegInferencer
    max_bytes: int
    collection: Collection

    def start(
        self, picture: str | None, text: str | None, sentence: str | None
    ) -> tuple[dict | None, str, str, str | None]:
        """Return the editor's value, the sentence, a message in HTML, and the picture.

        Args:
            picture: A data URL.
            text: Sentences, one per line; the first is taken where ``sentence`` is blank.
            sentence: The sentence.
        """
        try:
            (sentence, *_) = split_sentences((sentence or '').strip() or text)
            content, _ = decode_picture(picture, self.max_bytes)
            image = read_image(content, 'The image')
            (result,) = self.inferencer(image, sentence)
        except DataError as error:
            return None, sentence or '', render_notice(str(error)), None
        height, width = _fitted(image.shape[:2])
        shown = np.full((SIDE, SIDE, 3), _GREY, np.uint8)
        shown[:height, :width] = cv2.resize(mmcv.bgr2rgb(image), (width, height))
        layer = np.zeros((SIDE, SIDE, 4), np.uint8)
        layer[:height, :width][_resize(result.mask, (height, width))] = (*COLOR, OPACITY)
        message = render_hint('Paint what is missing, erase what is wrong, and save.')
        value = dict(background=shown, layers=[layer], composite=None)
        return value, sentence, message, picture

    def save(
        self,
        picture: str | None,
        editor: dict[str, Any] | None,
        sentence: str | None,
        nothing: bool,
    ) -> str:
        """Add the painted mask to the collection; returns a message in HTML.

        Args:
            picture: The data URL that :meth:`start` returned.
            editor: The editor's value: RGBA uint8 layers; what is not transparent is the mask.
            sentence: What is meant.
            nothing: Nothing in the image is meant, whatever is painted.
        """
        try:
            if picture is None:
                raise DataError('Press "Draw the answer" first.')
            (sentence, *_) = split_sentences(sentence)
            content, name = decode_picture(picture, self.max_bytes)
            image = read_image(content, 'The image')
            mask = None if nothing else painted(editor, image.shape[:2])
            count = self.collection.add(content, name, image, sentence, mask)
        except DataError as error:
            return render_notice(str(error))
        return render_hint(f'Saved: line {count} of {self.collection.lines}.')


def painted(editor: dict[str, Any] | None, size: tuple[int, int]) -> np.ndarray:
    """Return the union of an editor's layers, bool [H, W] of the image's size.

    Raises:
        DataError: Nothing is painted on the picture.
    """
    height, width = _fitted(size)
    layers = [
        np.asarray(layer)[:height, :width, 3] > 0 for layer in (editor or {}).get('layers') or ()
    ]
    if not any(layer.any() for layer in layers):
        raise DataError(
            'Nothing is painted. Press "Draw the answer" and correct it, or say that nothing in '
            'the picture is meant.'
        )
    return np.logical_or.reduce([_resize(layer, size) for layer in layers])


def _fitted(size: tuple[int, int]) -> tuple[int, int]:
    """Return height and width of a picture of that size on the canvas."""
    scale = SIDE / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _resize(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a mask to (height, width), bool."""
    height, width = size
    pixels = np.asarray(mask, np.uint8)
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT) > 0
