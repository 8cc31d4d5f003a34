# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The command line of the dataset checker: `magnet-mm check-data ROOT`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from magnet_mm.data_tools.checking.checker import check_root
from magnet_mm.data_tools.checking.report import WIDTH, print_report, to_json


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog='check-data',
        description='Check RefCOCO, RefCOCO+, G-Ref, gRefCOCO, RefShapes or own JSON-lines data: '
        'what is there, whether it is complete and sound, and what to do next. '
        'Exit code 0: no error; 1: errors; 2: wrong arguments.',
    )
    parser.add_argument('root', help='data root, e.g. data/refer, data/coco or data/refshapes')
    parser.add_argument('--images', action='store_true', help='decode every image, too')
    parser.add_argument('--json', metavar='FILE', help='write the result to FILE as JSON')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Check a data root and print what was found.

    Args:
        argv (list[str], optional): Arguments without the program's name; `sys.argv` by default.

    Returns:
        int: 0 if no error was found, else 1.
    """
    args = parse_args(argv)
    with Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:

        def track(items: Iterable, description: str) -> Iterator:
            total = len(items) if hasattr(items, '__len__') else None
            return progress.track(items, total=total, description=description)

        result = check_root(args.root, args.images, track)
    console = Console()
    print_report(result, console if console.is_terminal else Console(width=WIDTH))
    if args.json:
        path = Path(args.json)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(to_json(result), indent=2) + '\n', encoding='utf-8')
    return 0 if result.ok else 1
