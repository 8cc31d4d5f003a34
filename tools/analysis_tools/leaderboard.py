# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Trains every system's small model and writes one table: ``tools/analysis_tools/leaderboard.py``.

What is finished is kept and what was interrupted is resumed, so several short invocations, one
system each where wanted, give the same table as a long one. Systems whose small config does not
exist are named and left out.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _importable  # noqa: E402, F401
from benchmarks import ablation as tables  # noqa: E402
from benchmarks import leaderboard, training  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description='Train all systems alike and write one table.')
    parser.add_argument('--set', type=Path, default=ROOT / 'configs/leaderboard/systems.yml')
    parser.add_argument('--systems', nargs='*', help='such as lavt cris; default: all')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0])
    parser.add_argument('--minutes', type=float, help='start no run after this many minutes')
    parser.add_argument('--work-dir', default='work_dirs/leaderboard', help='where runs are kept')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs/leaderboard', help='folder')
    parser.add_argument('--table-only', action='store_true', help='write the table, train nothing')
    return parser


def train_and_measure(run: tables.AblationRun) -> None:
    """Train (or go on training) one run, score all splits, measure size and speed, note it."""
    start = time.monotonic()
    begun = run.work_dir.exists()
    training.train(run)
    # how long a training took that an earlier invocation had begun is not known
    minutes = math.nan if begun else (time.monotonic() - start) / 60
    scores = leaderboard.flatten(training.test(run, leaderboard.SPLITS))
    costs = leaderboard.measure_costs(run) | dict(minutes=minutes)
    run.finish(scores | costs, time.monotonic() - start)
    print(f'  val oIoU {scores["val oIoU"]:.2f}, {minutes:.1f} minutes of training', flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing, then write the tables."""
    args = build_parser().parse_args(arguments)
    start = time.monotonic()
    ablation = tables.read_ablation_set(args.set, complete=False)
    chosen, absent = leaderboard.choose(ablation, args.systems)
    if absent:
        print('No small config yet, left out:', ', '.join(row.label for row in absent))
    runs = [
        run
        for run in tables.plan_runs(ablation, args.seeds, args.work_dir)
        if run.row in chosen and not args.table_only and run.scores() is None
    ]
    for number, run in enumerate(runs, start=1):
        if args.minutes is not None and time.monotonic() - start > 60 * args.minutes:
            print(f'{len(runs) - number + 1} runs are left for the next invocation.')
            break
        print(f'run {number} of {len(runs)}: {run.row.label}, seed {run.seed}', flush=True)
        train_and_measure(run)
    # the table holds the systems and seeds of earlier invocations too
    seeds = sorted(set(args.seeds) | tables.seeds_on_disk(ablation, args.work_dir))
    every = tables.plan_runs(ablation, seeds, args.work_dir)
    rows = [row for row in ablation.rows if row not in absent]
    args.out.mkdir(parents=True, exist_ok=True)
    for name, lines in (
        ('refshapes', leaderboard.measured_table(rows, every)),
        ('refcoco_val', leaderboard.published_table(ROOT / 'model-index.yml')),
    ):
        markdown = '\n'.join(lines) + '\n'
        (args.out / f'{name}.md').write_text(markdown, encoding='utf-8')
        print(f'{markdown}{args.out / name}.md is written.\n')


if __name__ == '__main__':
    main()
