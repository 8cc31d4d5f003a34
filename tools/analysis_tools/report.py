# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Turn the per-item results of ``tools/test.py --out DIR`` into one HTML page.

Scores with intervals, IoU histogram, P@X curve, oIoU by sentence length, object size, kind and
position words, the worst and best items; with ``--vs`` a second run item by item. Example::

    python tools/analysis_tools/report.py DIR/val/items_refshapes_val.jsonl \
        --config configs/magnet_tiny_refshapes.py --out report
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _importable  # noqa: E402, F401
from rich.console import Console  # noqa: E402

import magnet_mm  # noqa: E402, F401  (registers the dataset and the transforms)
from magnet_mm.analysis import ItemSource  # noqa: E402
from magnet_mm.analysis.html_report import SHOWN, Run, write_report  # noqa: E402
from magnet_mm.errors import ConfigError, DataError  # noqa: E402
from magnet_mm.evaluation import Item, read_items  # noqa: E402
from magnet_mm.evaluation.score_record import record_beside  # noqa: E402


def split_of(items: Sequence[Item], path: Path) -> str:
    """Return the one split of a result file."""
    splits = sorted({item['split'] for item in items})
    if len(splits) != 1:
        raise DataError(
            f'{path} holds {len(splits)} splits ({", ".join(map(repr, splits))}); a report is about'
            ' one. Use a file that tools/test.py --out wrote.'
        )
    return splits[0]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('items', type=Path, help='items_<dataset>_<split>.jsonl, run A')
    parser.add_argument('--vs', type=Path, metavar='ITEMS', help='the same of run B, to compare')
    parser.add_argument(
        '--config', type=Path, required=True, help='config whose test dataset the results are of'
    )
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='for report.html')
    parser.add_argument(
        '--number', type=int, default=SHOWN, help=f'items shown at each end (default {SHOWN})'
    )
    args = parser.parse_args(arguments)
    if args.number < 1:
        parser.error('--number should be at least 1')
    try:
        items = read_items(args.items)
        source = ItemSource(args.config, split_of(items, args.items))
        first = Run(str(args.items), items, record_beside(args.items))
        second = None
        if args.vs is not None:
            second = Run(str(args.vs), read_items(args.vs), record_beside(args.vs))
        page = write_report(args.out, source, first, second, args.number)
    except (ConfigError, DataError) as error:
        # downloaded sentences may stand in the message: no terminal escapes
        sys.exit('report: ' + ''.join(c if c.isprintable() else '\ufffd' for c in str(error)))
    Console(soft_wrap=True).print(f'report: {page}', markup=False, highlight=False)


if __name__ == '__main__':
    main()
