# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""One inferencer for all tests of the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from magnet_mm.apis import ReferringSegInferencer

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='session')
def inferencer(random_weights) -> ReferringSegInferencer:
    return ReferringSegInferencer('magnet_tiny_refshapes', random_weights, device='cpu')
