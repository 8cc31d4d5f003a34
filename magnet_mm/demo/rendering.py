# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""HTML of the answers. Images are data URLs, so that nothing derived from an upload is a file."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import cv2
import numpy as np
from PIL import Image

from magnet_mm.apis import ReferringResult
from magnet_mm.visualization import heat_map, overlay_sentences, printable, sentence_color

MIN_SHOWN, MAX_SHOWN = 640, 1024  # longer side on the page; the masks keep the image's size

CSS = """
.answer img.whole {display: block; margin: 0 auto; max-width: 100%; max-height: 62vh;
  object-fit: contain; border-radius: 8px;}
.answer .rows {margin-top: 12px; display: grid; gap: 8px;}
.answer .row {display: grid; grid-template-columns: 14px 1fr 160px 64px; gap: 12px;
  align-items: center; padding: 8px 12px; border: 1px solid var(--border-color-primary);
  border-radius: 8px;}
.answer .chip {width: 14px; height: 14px; border-radius: 4px;}
.answer .sentence {overflow-wrap: anywhere; font-weight: 600;}
.answer .note {font-size: 0.85em; font-weight: 400; color: var(--body-text-color-subdued);}
.answer .bar {height: 6px; border-radius: 3px; background: var(--border-color-primary);}
.answer .bar div {height: 100%; border-radius: 3px;}
.answer .numbers {font-size: 0.85em; font-variant-numeric: tabular-nums;}
.answer a img {width: 64px; height: 48px; object-fit: contain; background: #222;
  border-radius: 4px; display: block;}
.answer .heats {display: grid; gap: 16px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr));}
.answer .heats img {width: 100%; max-height: 52vh; object-fit: contain; border-radius: 8px;}
.answer .scale {display: flex; gap: 8px; align-items: center; font-size: 0.85em; margin: 8px 0;}
.answer .scale div {height: 10px; flex: 1; max-width: 240px; border-radius: 3px; background:
  linear-gradient(90deg, #000004, #3b0f70, #8c2981, #de4968, #fe9f6d, #fcfdbf);}
.answer .notice {padding: 14px 16px; border-radius: 8px; border: 1px solid #d55e00;
  background: color-mix(in srgb, #d55e00 12%, transparent);}
.answer .hint {padding: 72px 16px; text-align: center; color: var(--body-text-color-subdued);
  border: 1px dashed var(--border-color-primary); border-radius: 8px;}
"""


def render_notice(message: str) -> str:
    """Return a message to the user; escaped."""
    return f'<div class="answer"><div class="notice" role="alert">{_text(message)}</div></div>'


def render_hint(message: str) -> str:
    """Return what stands in the place of an answer before the first one; escaped."""
    return f'<div class="answer"><div class="hint">{_text(message)}</div></div>'


def render_results(image: np.ndarray, results: Sequence[ReferringResult]) -> str:
    """Draw the overlay of all sentences and a row for each: colour, score, area, mask.

    Args:
        image: RGB uint8 [H, W, 3].
        results: Results of this image, with masks [H, W].
    """
    shown = fit_to_page(image)
    size = (shown.shape[1], shown.shape[0])
    masks = [
        cv2.resize(result.mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
        for result in results
    ]
    overlay = _data_url(overlay_sentences(shown, masks), 'PNG')
    rows = ''.join(_row(number, result) for number, result in enumerate(results))
    return (
        f'<div class="answer"><img class="whole" alt="image with masks" src="{overlay}">'
        f'<div class="rows">{rows}</div></div>'
    )


def render_heat_maps(image: np.ndarray, results: Sequence[ReferringResult]) -> str:
    """Return a heat map per sentence.

    Args:
        image: RGB uint8 [H, W, 3].
        results: Results of this image, with probability maps [H, W].
    """
    shown = fit_to_page(image)
    size = (shown.shape[1], shown.shape[0])
    figures = []
    for result in results:
        probability = cv2.resize(result.probability, size, interpolation=cv2.INTER_LINEAR)
        url = _data_url(heat_map(shown, probability), 'JPEG', quality=90)
        figures.append(
            f'<figure><img alt="heat map" src="{url}">'
            f'<figcaption class="sentence">{_text(result.expression)}</figcaption></figure>'
        )
    return (
        '<div class="answer"><div class="scale">foreground probability 0<div></div>1</div>'
        f'<div class="heats">{"".join(figures)}</div></div>'
    )


def fit_to_page(image: np.ndarray) -> np.ndarray:
    """Return the image with 640 to 1024 pixels on its longer side, RGB uint8 [h, w, 3]."""
    longer = max(image.shape[:2])
    scale = min(max(longer, MIN_SHOWN), MAX_SHOWN) / longer
    if scale == 1:
        return image
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    return cv2.resize(image, (width, height), interpolation=method)


def _row(number: int, result: ReferringResult) -> str:
    color = '#{:02x}{:02x}{:02x}'.format(*sentence_color(number))
    share = result.area / result.mask.size
    if result.no_target:
        found = 'no such object'
    elif result.area:
        found = f'score {result.score:.3f}, {share:.1%} of the image'
    else:
        found = 'nothing found'
    notes = ''.join(f'<div class="note">{_text(note)}</div>' for note in result.notes)
    mask = _data_url(result.mask.astype(np.uint8) * 255, 'PNG')
    return (
        f'<div class="row"><div class="chip" style="background: {color}"></div>'
        f'<div class="sentence">{_text(result.expression)}{notes}</div>'
        f'<div class="numbers">{found}<div class="bar"><div style="background: {color}; '
        f'width: {result.score:.1%}"></div></div></div>'
        f'<a download="mask_{number}.png" title="Download the mask" href="{mask}">'
        f'<img alt="mask" src="{mask}"></a></div>'
    )


def _text(text: str) -> str:
    return escape(printable(text))


def _data_url(pixels: np.ndarray, kind: str, **options: int) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    encoded = base64.b64encode(buffer.getvalue()).decode('ascii')
    return f'data:image/{kind.lower()};base64,{encoded}'
