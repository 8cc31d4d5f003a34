# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What a fine-tuning changed: a table of scores, the sentences, and the analysis report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from magnet_mm.analysis import ItemSource, pair_items
from magnet_mm.analysis.html_report import Run, write_report
from magnet_mm.evaluation import read_items
from magnet_mm.finetuning.own_data import VAL
from magnet_mm.visualization import printable

_NAMED = 5


def compare(config: Path, scores: Mapping[str, Mapping[str, float]], console: Console) -> None:
    """Print scores and the sentences that changed most, and write ``report/report.html``.

    Args:
        config: The config; the items of both evaluations lie beside it.
        scores: ``before`` and ``after`` to their scores in percent.
        console: Where to print.
    """
    folder = config.parent
    runs = [
        Run(name, read_items(next((folder / name / VAL).glob('items_*.jsonl')))) for name in scores
    ]
    table = Table('score (val, percent)', title='Before and after')
    for name in (*scores, 'change'):
        table.add_column(name, justify='right')
    for name in (one for one in scores['before'] if '/' not in one):
        first, second = (run[name] for run in scores.values())
        table.add_row(name, f'{first:.2f}', f'{second:.2f}', f'{second - first:+.2f}')
    console.print(table)
    pairs = pair_items(runs[0].items, runs[1].items)
    changes = sorted(
        zip(pairs.gains(), (item['expression'] for item in pairs.first), strict=True),
        key=lambda change: change[0],
    )
    better = [change for change in changes[::-1] if change[0] > 0]
    worse = [change for change in changes if change[0] < 0]
    for what, found in (('better', better), ('worse', worse)):
        named = '; '.join(f'{printable(text)} ({gain:+.2f})' for gain, text in found[:_NAMED])
        console.print(
            f'{len(found)} of {len(changes)} sentences became {what} (IoU). {escape(named)}'
        )
    page = write_report(folder / 'report', ItemSource(config, VAL), *runs)
    console.print(f'Every sentence: {page}', markup=False, soft_wrap=True)
