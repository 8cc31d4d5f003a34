# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""An image to segment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def image(tmp_path) -> Path:
    """A picture of 60 x 90 pixels (height x width) in a folder of its own."""
    path = tmp_path / 'pictures' / 'a [bold]name.png'
    path.parent.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path
