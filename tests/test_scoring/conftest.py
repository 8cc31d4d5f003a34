# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The hand-written data root, its val split as a benchmark, and masks for it as a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from refcoco_root import instances, mmseg_scope, refs, write_data  # noqa: F401

from magnet_mm.evaluation import encode_mask
from magnet_mm.json_lines import write_lines
from magnet_mm.scoring import Benchmark


@pytest.fixture
def root(write_data, tmp_path) -> Path:  # noqa: F811
    """The data root."""
    write_data()
    return tmp_path


@pytest.fixture
def benchmark(root) -> Benchmark:
    """Its val split."""
    return Benchmark(root, 'refcoco', 'val')


@pytest.fixture
def write_masks(tmp_path):
    """Call it with masks by (ref_id, sent_id) for a JSON-lines file in the minimal form."""

    def write(masks, name='masks.jsonl', no_target=()):
        lines = [dict(ref_id=r, sent_id=s, **encode_mask(m)) for (r, s), m in masks.items()]
        for line in lines:
            if (line['ref_id'], line['sent_id']) in no_target:
                line['no_target'] = True
        write_lines(tmp_path / name, lines)
        return tmp_path / name

    return write
