# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""One image of RefShapes with all that is known of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from magnet_mm.refshapes.scene import Scene
from magnet_mm.refshapes.sentences import Referred


class Example(NamedTuple):
    """One image: its scene, pixels (uint8 [H, W, 3] RGB), annotations and sentences.

    ``sentences`` is ``{object index: [(kind, text), ...]}``; ``expressions`` are their meanings,
    and ``draws`` the states of the bit generator with which they were said.
    """

    scene: Scene
    image: np.ndarray
    annotations: list[dict[str, Any]]
    sentences: dict[int, list[tuple[str, str]]]
    expressions: Referred
    draws: dict[int, list[dict[str, Any]]]
