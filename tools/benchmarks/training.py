# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Trains and tests one run of a table with the project's own tools, each in a process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.ablation import AblationRun

ROOT = Path(__file__).resolve().parents[2]


def train(run: AblationRun) -> None:
    """Train a run, or go on where an earlier call was cut off; log in ``train.log``."""
    run.work_dir.mkdir(parents=True, exist_ok=True)
    call_tool(
        'tools/train.py', run.row.config, '--work-dir', run.work_dir, '--resume',
        '--cfg-options', *_options(run), log=run.work_dir / 'train.log',
    )  # fmt: skip


def test(run: AblationRun, splits: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Scores of the best checkpoint, split by split; log in ``test.log``."""
    best = sorted(run.work_dir.glob('best_oIoU_*.pth'))[-1]
    scores = run.work_dir / 'scores.json'
    call_tool(
        'tools/test.py', run.row.config, best, '--work-dir', run.work_dir, '--splits', *splits,
        '--json', scores, '--cfg-options', *_options(run), log=run.work_dir / 'test.log',
    )  # fmt: skip
    return json.loads(scores.read_text(encoding='utf-8'))


def call_tool(tool: str, *arguments: object, log: Path) -> None:
    """Run a tool of the checkout; where it fails, stop with the end of its log."""
    with log.open('a', encoding='utf-8') as output:
        code = subprocess.call(
            [sys.executable, str(ROOT / tool), *map(str, arguments)],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if code:
        last = log.read_text(encoding='utf-8').splitlines()[-15:]
        raise SystemExit('\n'.join([*last, f'{tool} failed; the whole log is {log}']))


def _options(run: AblationRun) -> list[str]:
    return [f'{key}={value}' for key, value in run.options.items()]
