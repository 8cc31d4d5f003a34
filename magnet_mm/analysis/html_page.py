# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Pages that need nothing but themselves: what the report and the audit have in common.

Pictures and diagrams are inside, no script runs (a content security policy forbids it), no address
is contacted. Sentences come from downloaded files: jinja2 escapes them, and the pages make control
characters visible (``magnet_mm.text_safety``).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

PANEL = 320  # pixels
_JPEG_QUALITY = 85


def render_page(template: str, context: Mapping[str, Any]) -> bytes:
    """Fill a template of ``magnet_mm/analysis/templates``; UTF-8."""
    environment = Environment(
        loader=PackageLoader('magnet_mm.analysis'),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(context).encode('utf-8')


def data_url(picture: np.ndarray) -> str:
    """Return a picture, RGB uint8 [H, W, 3], as the address of a JPEG that it holds itself."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    _, encoded = cv2.imencode('.jpg', cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality)
    return 'data:image/jpeg;base64,' + base64.b64encode(encoded).decode('ascii')
