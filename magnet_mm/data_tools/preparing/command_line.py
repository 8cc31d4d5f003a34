# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The command line `magnet-mm prepare-data SOURCE... --out data/refer`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from magnet_mm.data_tools.checking.checker import check_root
from magnet_mm.data_tools.checking.report import WIDTH, print_report
from magnet_mm.data_tools.preparing.downloading import LIST, download, read_list
from magnet_mm.data_tools.preparing.naming import DATASETS
from magnet_mm.data_tools.preparing.preparer import prepare
from magnet_mm.data_tools.preparing.writing import PROVENANCE, Written
from magnet_mm.errors import ConfigError
from magnet_mm.text_safety import printable


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Turn what you have of a data set into the files that are read here: original '
        "zips, parquet files of the hub, MDETR's JSON with COCO's, mmdetection's folders, "
        'gRefCOCO, RRSIS-D, RefSegRS, PhraseCut, Ref-ZOM, R-RefCOCO, RefCLEF, RefCOCO-M. Exit '
        'code 0: written, or nothing new; 1: not usable, or masks are unsound; 2: wrong arguments.'
    )
    parser.add_argument(
        'sources', nargs='*', metavar='SOURCE', help='files, folders or zip archives'
    )
    parser.add_argument('--out', default='data/refer', help='data root (default data/refer)')
    parser.add_argument(
        '--dataset',
        choices=DATASETS,
        metavar='NAME',
        help=f'where nothing tells: {", ".join(DATASETS)}',
    )
    parser.add_argument(
        '--download',
        nargs='+',
        default=(),
        metavar='NAME',
        help='fetch these of the list into OUT/downloads first (else nothing is ever downloaded)',
    )
    parser.add_argument(
        '--download-list',
        default=LIST,
        metavar='FILE',
        help='another list than that of the package (JSON: name, file, urls, licence, sha256)',
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert, say what was done, and check the data root."""
    args = parse_args(arguments)
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    if not args.sources and not args.download:
        raise ConfigError('Give a SOURCE, or --download NAME.')
    fetched = _download(args) if args.download else []
    written = prepare([*args.sources, *fetched], args.out, args.dataset)
    for one in written:
        console.print(_report(one), highlight=False, soft_wrap=True)
    result = check_root(args.out)
    print_report(result, console)
    places = {f'{one.folder.name}/instances.json' for one in written}
    unsound = any(one.level == 'error' and one.where in places for one in result.findings)
    return 1 if unsound else 0


def _download(args: argparse.Namespace) -> list[Path]:
    """Fetch the named files and show how far it is; say where they come from and their licence."""
    entries = read_list(args.download_list)
    for name in args.download:
        if name in entries:
            print(f'{name}: {entries[name]["urls"][0]}; licence: {entries[name]["licence"]}')
    with Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        tasks: dict[str, TaskID] = {}

        def show(name: str, there: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name)
            progress.update(tasks[name], completed=there, total=total)

        return download(args.download, Path(args.out) / 'downloads', entries, show)


def _report(written: Written) -> str:
    """Return what was done for one data set, in rich's markup."""
    lines = [f'[bold]{escape(str(written.folder))}[/bold]: {escape(printable(written.what))}']
    for name, splits in written.counts.items():
        for split, counts in splits.items():
            same = {True: 'as published', False: '[red]not the published numbers[/red]'}
            said = same.get(counts['as_published'], 'nothing to compare with')
            lines.append(
                f'  {escape(name)} {escape(printable(split))}: {counts["refs"]:,} refs, '
                f'{counts["images"]:,} images, {counts["expressions"]:,} expressions; {said}'
            )
    for one in written.dropped:
        examples = escape(printable(', '.join(one['examples']), 200))
        lines.append(
            f'  [yellow]left out[/yellow]: {one["count"]:,} {one["what"]}, '
            f'{escape(printable(one["why"]))} ({examples})'
        )
    lines += [f'  note: {escape(printable(note))}' for note in written.notes]
    if written.new:
        lines.append(f'  written: {len(written.new)} file(s) and {PROVENANCE}')
    else:
        lines.append('  nothing new: every file was there already')
    return '\n'.join(lines)
