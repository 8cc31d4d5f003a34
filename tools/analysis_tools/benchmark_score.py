# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Measure ``magnet-mm score`` on input of RefCOCO's size: seconds and peak memory of its process.

    python tools/analysis_tools/benchmark_score.py

Annotations with RefCOCO's published numbers are made (10,834 sentences of val on 1,500 images of
640x480, random polygons), and for each sentence a mask of the image's size. One thread.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _importable  # noqa: E402, F401
import numpy as np  # noqa: E402

import magnet_mm  # noqa: E402, F401  (registers the data sets)
from magnet_mm.data_tools.checking.imitation import write_imitation  # noqa: E402
from magnet_mm.evaluation import decode_mask, encode_mask  # noqa: E402
from magnet_mm.json_lines import write_lines  # noqa: E402
from magnet_mm.scoring import Benchmark  # noqa: E402

# The peak is read inside: that which the parent sees counts the parent's own memory at the fork.
SCORE = """
import sys
from magnet_mm.cli import main
code = main(sys.argv[1:])
with open('/proc/self/status') as file:
    peak = next(line for line in file if line.startswith('VmHWM'))
print(peak.split()[1], file=sys.stderr)
sys.exit(code)
"""


def predictions(benchmark: Benchmark, seed: int = 0) -> Iterator[dict]:
    """Yield the lines of a model that misses each object by up to 20 pixels."""
    rng = np.random.default_rng(seed)
    for item in benchmark.items.values():
        mask = np.roll(decode_mask(benchmark.target(item)), rng.integers(-20, 21, 2), (0, 1))
        yield dict(ref_id=item.ref_id, sent_id=item.sent_id, **encode_mask(mask))


def measure(share: float, folder: Path) -> dict:
    """Make the files in a folder, score them in a process of its own."""
    write_imitation(folder / 'data', share)
    benchmark = Benchmark(folder / 'data', 'refcoco', 'val')
    write_lines(folder / 'predictions.jsonl', predictions(benchmark))
    command = [sys.executable, '-c', SCORE, 'score', str(folder / 'predictions.jsonl')]
    command += ['--data', str(folder / 'data'), '--dataset', 'refcoco', '--split', 'val']
    threads = dict(OMP_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1', MKL_NUM_THREADS='1')
    start = time.perf_counter()
    done = subprocess.run(command, env={**os.environ, **threads}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return dict(
        sentences=len(benchmark.items),
        wall_seconds=round(time.perf_counter() - start, 1),
        processor_seconds=round(used.ru_utime + used.ru_stime, 1),
        peak_megabytes=round(int(done.stderr.split()[-1]) / 1024),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--share', type=float, default=1.0, help='share of the published numbers (default 1)'
    )
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(args.share, Path(folder))))


if __name__ == '__main__':
    main()
