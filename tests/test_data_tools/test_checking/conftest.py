# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A small sound RefShapes root to break, and a way to run the checker on it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from magnet_mm.data_tools.checking import CheckResult, check_root
from magnet_mm.refshapes import write_refshapes

COUNTS = {'train': 12, 'val': 6, 'testA': 4, 'testB': 4}


@pytest.fixture(scope='session')
def _sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('checking') / 'refshapes'
    write_refshapes(root, seed=5, counts=COUNTS)
    for name in ('grefs(unc).json', 'refs(pairs).p'):  # one refs file; the others: whole_root
        (root / 'refshapes' / name).rename(root.parent / name)
    return root


@pytest.fixture
def whole_root(_sound: Path, root: Path) -> Path:
    """The sound root with all that the generator writes."""
    for name in ('grefs(unc).json', 'refs(pairs).p'):
        shutil.copy(_sound.parent / name, root / 'refshapes' / name)
    return root


@pytest.fixture
def root(_sound: Path, tmp_path: Path) -> Path:
    """A fresh copy of the sound root."""
    return Path(shutil.copytree(_sound, tmp_path / 'refshapes'))


@pytest.fixture
def edit_instances(root: Path) -> Callable:
    """Call it with a function that changes the content of `instances.json` in place."""

    def edit(change: Callable[[dict], None]) -> None:
        path = root / 'refshapes' / 'instances.json'
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return edit


@pytest.fixture
def problems() -> Callable[..., dict[str, tuple[str, int]]]:
    """Checks a root; returns {problem: (level, count)} and the whole result."""

    def check(root: Path, images: bool = False) -> tuple[dict, CheckResult]:
        result = check_root(root, images)
        found = {one.problem: (one.level, one.count) for one in result.findings}
        return found, result

    return check
