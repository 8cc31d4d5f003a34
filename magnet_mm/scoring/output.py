# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What ``magnet-mm score`` prints, and its files ``scores.csv`` and ``scores.tex``."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from magnet_mm.analysis.bootstrap import Interval
from magnet_mm.atomic_files import write_atomically
from magnet_mm.evaluation.score_record import describe
from magnet_mm.scoring.contamination import Contamination
from magnet_mm.scoring.intervals import Difference
from magnet_mm.text_safety import printable

_COLUMNS = (
    'run', 'part', 'per', 'rule', 'resolution', 'input_size', 'masks', 'items', 'images', 'score',
    'value', 'low', 'high', 'p',
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """Scores of one run on all items or on a part of them.

    Attributes:
        run: ``A``, ``B``, or ``B - A``.
        part: ``all``, ``clean`` or ``seen``.
        protocol: what was measured.
        items: number of items; ``images`` likewise.
        scores: in percent, of ``B - A`` in points.
        intervals: 95 %.
        p: of ``B - A``, of each score.
    """

    run: str
    part: str
    protocol: Mapping[str, Any]
    items: int
    images: int
    scores: Mapping[str, float]
    intervals: Mapping[str, Interval]
    p: Mapping[str, float] | None = None

    @classmethod
    def of_difference(cls, second: Result, differences: Mapping[str, Difference]) -> Result:
        """B minus A, over the items of B."""
        return cls(
            'B - A',
            second.part,
            second.protocol,
            second.items,
            second.images,
            {name: one.value for name, one in differences.items()},
            {name: (one.low, one.high) for name, one in differences.items()},
            {name: one.p for name, one in differences.items()},
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``scores.json``; no ``p`` where there is none."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def print_results(results: Sequence[Result], console: Console) -> None:
    """Print a table per protocol: a row per score, a column per run and part."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(describe(result.protocol), []).append(result)
    for title, members in groups.items():
        console.print(f'\n{title[0].upper()}{title[1:]}:', markup=False, highlight=False)
        table = Table()
        table.add_column('percent')
        for one in members:
            part = '' if one.part == 'all' else f', {one.part}'
            table.add_column(f'{one.run}{part}\n{one.items:,} sentences', justify='right')
        for name in dict.fromkeys(name for one in members for name in one.scores):
            table.add_row(escape(printable(name, 40)), *(_cell(one, name) for one in members))
        console.print(table)
    console.print('In brackets: 95 % interval, test images drawn anew.')


def print_contamination(found: Contamination, console: Console) -> None:
    """Print how much of the benchmark each training source holds."""
    console.print('\nTest images in the training data:')
    table = Table()
    for column in ('source', 'images', 'sentences', 'list'):
        table.add_column(column, justify='right' if column in ('images', 'sentences') else 'left')
    for row in found.rows:
        if 'unchecked' in row:
            table.add_row(row['source'], '?', '?', escape(printable(row['unchecked'])))
            continue
        table.add_row(
            escape(printable(row['source'], 60)),
            f'{row["images"]:,} of {found.images:,}',
            f'{row["sentences"]:,} of {found.sentences:,}',
            escape(printable(row['file'])),
        )
    console.print(table)
    if found.without_id:
        console.print(f'{found.without_id:,} test images have no COCO id and were not compared.')


def write_csv(path: str | os.PathLike[str], results: Sequence[Result]) -> None:
    """Write a line per run, part, protocol and score."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, extrasaction='ignore', lineterminator='\n')
    writer.writeheader()
    for one in results:
        for name, value in one.scores.items():
            low, high = one.intervals[name]
            numbers = dict(score=name, value=value, low=low, high=high)
            numbers['p'] = one.p[name] if one.p else ''
            writer.writerow({**one.protocol, **vars(one), **numbers})
    write_atomically(path, text.getvalue().encode())


def write_latex(
    path: str | os.PathLike[str],
    results: Sequence[Result],
    names: Mapping[str, str],
    benchmark: str,
) -> None:
    """Write a row of a table per run, part and protocol, what it is in a comment above.

    Args:
        path: The file.
        results: Differences are left out.
        names: File of each run.
        benchmark: Data set and split.
    """
    lines = []
    for one in results:
        if one.run not in names:
            continue
        scores = {name: value for name, value in one.scores.items() if '/' not in name}
        part = '' if one.part == 'all' else f', {one.part} part'
        lines.append(f'% {benchmark}, {describe(one.protocol)}{part}: {" & ".join(scores)}')
        name = printable(Path(names[one.run]).stem).replace('_', r'\_').replace('%', r'\%')
        lines.append(' & '.join([name, *(f'{value:.2f}' for value in scores.values())]) + r' \\')
    write_atomically(path, ('\n'.join(lines) + '\n').encode())


def _cell(one: Result, name: str) -> str:
    if name not in one.scores:
        return '-'
    low, high = one.intervals[name]
    sign = '+' if one.p else ''
    interval = f'{one.scores[name]:{sign}.2f} \\[{low:{sign}.2f}, {high:{sign}.2f}]'
    return f'{interval} p={one.p[name]:.4f}' if one.p else interval
