# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The referee: scores anybody's masks on the benchmarks (``magnet-mm score``, docs/scoring.md)."""

from magnet_mm.scoring.benchmark import Benchmark, BenchmarkItem
from magnet_mm.scoring.predictions import PredictedMask, read_predictions
from magnet_mm.scoring.referee import Referee
from magnet_mm.scoring.submission import Submission

__all__ = [
    'Benchmark',
    'BenchmarkItem',
    'PredictedMask',
    'Referee',
    'Submission',
    'read_predictions',
]
