# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What the page answers to a picture and some text; knows nothing of gradio."""

from __future__ import annotations

import base64
import binascii
import logging
from dataclasses import dataclass
from urllib.parse import unquote

import mmcv

from magnet_mm.apis import ReferringSegInferencer
from magnet_mm.apis.image_reading import read_image
from magnet_mm.demo.rendering import render_heat_maps, render_notice, render_results
from magnet_mm.errors import CheckpointError, ConfigError, DataError

MAX_SENTENCES = 7  # as many as there are colours
MAX_CHARACTERS = 500  # of a sentence; models read about 20 words


@dataclass
class Answerer:
    """Answers requests of the page.

    Args:
        inferencer: The model.
        max_bytes: Largest image file.
    """

    inferencer: ReferringSegInferencer
    max_bytes: int

    def __call__(self, picture: str | None, text: str | None) -> tuple[str, str]:
        """Segment a picture.

        The picture is decoded in memory and forgotten; nothing is written to disk.

        Args:
            picture: A data URL (``data:image/jpeg;base64,...``), or None.
            text: One sentence per line.

        Returns:
            HTML of the overlay with its legend, and of the heat maps. Where there is something to
            correct, the first says what; everything users typed is escaped.
        """
        try:
            content, _ = decode_picture(picture, self.max_bytes)
            sentences = split_sentences(text)
            image = read_image(content, 'The image')
            results = self.inferencer(image, sentences, return_probabilities=True)
        except DataError as error:
            return render_notice(str(error)), ''
        except (CheckpointError, ConfigError, MemoryError, RuntimeError):
            logging.getLogger(__name__).exception('a request failed')
            return render_notice('The model could not answer; the log of the server says why.'), ''
        rgb = mmcv.bgr2rgb(image)
        return render_results(rgb, results), render_heat_maps(rgb, results)


def decode_picture(picture: str | None, max_bytes: int) -> tuple[bytes, str]:
    """Return the file inside a data URL, and its name (``data:image/png;name=a.png;base64,...``).

    Raises:
        DataError: If there is none, it is damaged, or has more than ``max_bytes``.
    """
    if not picture:
        raise DataError('Choose an image first: drop one on the left, or pick an example.')
    head, _, encoded = str(picture).partition(',')
    if not (head.startswith('data:') and head.endswith(';base64')):
        raise DataError('The image did not arrive. Choose it again.')
    if len(encoded) > max_bytes * 4 / 3 + 4:
        raise DataError(
            f'The image is too large: at most {max_bytes / 2**20:g} MB. Make it smaller.'
        )
    name = head.partition(';name=')[2].removesuffix(';base64')
    try:
        return base64.b64decode(encoded, validate=True), unquote(name)
    except binascii.Error as error:
        raise DataError('The image did not arrive whole. Choose it again.') from error


def split_sentences(text: str | None) -> list[str]:
    """Return the sentences of a text, one per line, blank lines left out.

    Raises:
        DataError: If there is none, there are more than seven, or one has more than 500 characters.
    """
    sentences = [line.strip() for line in str(text or '').splitlines() if line.strip()]
    if not sentences:
        raise DataError('Type what to look for: one sentence per line.')
    if len(sentences) > MAX_SENTENCES:
        raise DataError(f'At most {MAX_SENTENCES} sentences at once; these are {len(sentences)}.')
    if max(map(len, sentences)) > MAX_CHARACTERS:
        raise DataError(f'A sentence has more than {MAX_CHARACTERS} characters. Shorten it.')
    return sentences
