# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Several GPUs: a formula to put numbers in, no table of a cluster that nobody measured."""

from pathlib import Path

import benchmarks
from benchmarks.report import SECTIONS

PAGE = Path(__file__).resolve().parents[3] / 'docs/performance.md'


def test_truth_17_no_estimate_of_an_assumed_cluster():
    text = PAGE.read_text(encoding='utf-8')
    assert 'put your numbers in' in text and '2 (n - 1) / n * G / w' in text
    for word in ('bench:scaling', '32 GPUs', 'efficiency', 'NVLink', 'InfiniBand'):
        assert word not in text
    assert 'scaling' not in SECTIONS and 'ddp' in SECTIONS
    assert not hasattr(benchmarks, 'estimate') and not hasattr(benchmarks, 'CLUSTERS')
