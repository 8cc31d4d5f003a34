# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Records what ``make demo`` measured and writes it into README.md.

    python tools/analysis_tools/write_readme.py            # make readme, after demo and test
    python tools/analysis_tools/write_readme.py --render   # README.md from the record alone

The record is docs/demo_run.json: the scores of the run, its steps, and the seconds that the
Makefile kept in work_dirs/timings. A test compares README.md with it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools'))
import _importable  # noqa: E402, F401
from benchmarks.demo_run import read_demo_run  # noqa: E402
from benchmarks.readme import fill_readme  # noqa: E402

from magnet_mm.cli.dispatch import run_command  # noqa: E402
from magnet_mm.errors import DataError  # noqa: E402

TIMED = ('env', 'demo', 'test')


def measured(run: Path, timings: Path) -> dict[str, Any]:
    """Return the record of a run.

    Raises:
        DataError: The run or a time is absent.
    """
    try:
        seconds = {name: int((timings / name).read_text(encoding='utf-8')) for name in TIMED}
    except (OSError, ValueError) as error:
        raise DataError(f'{error}: run make env, make demo and make test first.') from error
    commit = subprocess.run(
        ['git', 'rev-parse', '--short', 'HEAD'],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(
        commit=commit.stdout.strip(),
        cores=len(os.sched_getaffinity(0)),
        seconds=seconds,
        **read_demo_run(run),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--run', type=Path, default=ROOT / 'work_dirs/demo')
    parser.add_argument('--timings', type=Path, default=ROOT / 'work_dirs/timings')
    parser.add_argument('--record', type=Path, default=ROOT / 'docs/demo_run.json')
    parser.add_argument('--page', type=Path, default=ROOT / 'README.md')
    parser.add_argument('--render', action='store_true', help='do not read the run')
    args = parser.parse_args(arguments)
    if not args.render:
        record = json.dumps(measured(args.run, args.timings), indent=2)
        args.record.write_text(record + '\n', encoding='utf-8')
    record = json.loads(args.record.read_text(encoding='utf-8'))
    print(f'{args.page}: wrote {", ".join(fill_readme(args.page, record))}')


if __name__ == '__main__':
    sys.exit(run_command(main, None, 'write_readme'))
