# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Trains a named set of configs and writes one table: ``tools/analysis_tools/ablate.py SET``.

What is finished is kept and what was interrupted is resumed, so several short invocations give the
same table as a long one.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _importable  # noqa: E402, F401
from benchmarks import ablation as tables  # noqa: E402
from benchmarks import training  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def build_parser() -> argparse.ArgumentParser:
    """Run the command line."""
    parser = argparse.ArgumentParser(description='Run an ablation and write its table.')
    parser.add_argument('name', help='a set of configs/ablations, or a YAML file')
    parser.add_argument('--data', default='refshapes', help="a key of the set's data")
    parser.add_argument(
        '--seeds', type=int, nargs='+', default=[0], help='one run per row and seed'
    )
    parser.add_argument('--minutes', type=float, help='start no run after this many minutes')
    parser.add_argument('--work-dir', default='work_dirs/ablations', help='where the runs are kept')
    parser.add_argument('--out', help='folder for NAME_DATA.md and .csv (default: beside the runs)')
    parser.add_argument('--table-only', action='store_true', help='write the table, train nothing')
    return parser


def train_and_test(run: tables.AblationRun, batch_of_runs: str) -> None:
    """Train (or go on training) one run, evaluate its best checkpoint on val, note the scores."""
    start = time.monotonic()
    print(f'{batch_of_runs}: {run.row.label}, seed {run.seed} -> {run.work_dir}', flush=True)
    training.train(run)
    scores = training.test(run, ['val'])['val']
    run.finish(scores, time.monotonic() - start)
    print(f'  oIoU {scores["oIoU"]:.2f} after {time.monotonic() - start:.0f} s', flush=True)


def main() -> None:
    """Run what is missing, then write the table."""
    args = build_parser().parse_args()
    start = time.monotonic()
    file = Path(args.name)
    if file.suffix != '.yml':
        file = ROOT / 'configs' / 'ablations' / f'{args.name}.yml'
    ablation = tables.read_ablation_set(file, args.data)
    runs = tables.plan_runs(ablation, args.seeds, args.work_dir)
    missing = [] if args.table_only else [run for run in runs if run.scores() is None]
    for number, run in enumerate(missing, start=1):
        if args.minutes is not None and time.monotonic() - start > 60 * args.minutes:
            print(f'{len(missing) - number + 1} runs are left for the next invocation.')
            break
        train_and_test(run, f'run {number} of {len(missing)}')
    # the table holds the seeds of earlier invocations too
    seeds = sorted(set(args.seeds) | tables.seeds_on_disk(ablation, args.work_dir))
    summary = tables.summarise(ablation, tables.plan_runs(ablation, seeds, args.work_dir))
    folder = Path(args.out or Path(args.work_dir) / ablation.name)
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / f'{ablation.name}_{ablation.data}'
    markdown = tables.to_markdown(ablation, summary)
    table.with_suffix('.md').write_text(markdown, encoding='utf-8')
    table.with_suffix('.csv').write_text(tables.to_csv(ablation, summary), encoding='utf-8')
    Console().print(Markdown(markdown))
    print(f'{table}.md and {table}.csv are written.')


if __name__ == '__main__':
    main()
