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
from magnet_mm.demo.rendering import fit_to_page, render_hint, render_notice
from magnet_mm.errors import DataError

COLOR = (213, 94, 0)  # of the brush, RGB


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
    ) -> tuple[dict | None, str, str]:
        """Return the editor's value, the sentence, and a message in HTML.

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
            return None, sentence or '', render_notice(str(error))
        shown = fit_to_page(mmcv.bgr2rgb(image))
        layer = np.zeros((*shown.shape[:2], 4), np.uint8)
        layer[_resize(result.mask, shown.shape[:2])] = (*COLOR, 255)
        message = render_hint('Paint what is missing, erase what is wrong, and save.')
        return dict(background=shown, layers=[layer], composite=None), sentence, message

    def save(
        self,
        picture: str | None,
        editor: dict[str, Any] | None,
        sentence: str | None,
        nothing: bool,
    ) -> str:
        """Add the painted mask to the collection; returns a message in HTML.

        Args:
            picture: The data URL that the editor was started with.
            editor: Its value: RGBA uint8 layers; what is not transparent is the mask.
            sentence: What is meant.
            nothing: Nothing in the image is meant, whatever is painted.
        """
        try:
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
        DataError: Nothing is painted, or the layers are of another picture.
    """
    layers = [np.asarray(layer)[..., 3] > 0 for layer in (editor or {}).get('layers') or ()]
    if not any(layer.any() for layer in layers):
        raise DataError(
            'Nothing is painted. Press "Draw the answer" and correct it, or say that nothing in '
            'the picture is meant.'
        )
    (height, width), (own_height, own_width) = layers[0].shape, size
    if abs(height * own_width - width * own_height) > max(own_height, own_width):
        raise DataError('Another picture was chosen since. Press "Draw the answer" again.')
    return np.logical_or.reduce([_resize(layer, size) for layer in layers])


def _resize(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a mask to (height, width), bool."""
    height, width = size
    pixels = np.asarray(mask, np.uint8)
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT) > 0
