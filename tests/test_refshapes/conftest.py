# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A small RefShapes data set for these tests."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest

from magnet_mm.refshapes import write_refshapes

COUNTS = {'train': 60, 'val': 30, 'testA': 30, 'testB': 30}


@pytest.fixture(scope='session')
def refshapes(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The files of 150 images: ``root``, ``instances``, ``refs``, ``annotations`` by id."""
    root = tmp_path_factory.mktemp('data') / 'refshapes'
    assert write_refshapes(root, seed=3, counts=COUNTS)
    return read(root)


def read(root: Path) -> SimpleNamespace:
    """Reads the files back (the pickle is our own)."""
    folder = root / 'refshapes'
    instances = json.loads((folder / 'instances.json').read_text(encoding='utf-8'))
    return SimpleNamespace(
        root=root,
        counts=COUNTS,
        instances=instances,
        images={image['id']: image for image in instances['images']},
        annotations={annotation['id']: annotation for annotation in instances['annotations']},
        refs=pickle.loads((folder / 'refs(unc).p').read_bytes()),
    )
