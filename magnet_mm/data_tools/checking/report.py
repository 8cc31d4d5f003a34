# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Prints the result of a check as tables, and writes it as JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from magnet_mm.data_tools.checking.checker import CheckResult
from magnet_mm.data_tools.checking.findings import Finding, Findings
from magnet_mm.data_tools.checking.published import LAYOUTS, OWN_IMAGES, SOURCES, USUAL
from magnet_mm.data_tools.checking.refs import RefsFile

STYLES = {'error': 'bold red', 'warning': 'yellow', 'note': 'cyan'}
#: Width where the output is no terminal (our choice).
WIDTH = 120


def print_report(result: CheckResult, console: Console) -> None:
    """Print datasets, overlaps, findings with what to do next, and a summary."""
    console.print(f'[bold]{escape(str(result.root.path))}[/bold]: {escape(_layout(result))}')
    if result.refs_files or result.own:
        console.print(_dataset_table(result))
    if result.overlaps:
        console.print(_overlap_table(result))
    if list(result.findings):
        print_findings(result.findings, console)
    numbers = [(level, result.findings.number(level)) for level in STYLES]
    counts = ', '.join(f'{n} {level}{"s" * (n != 1)}' for level, n in numbers)
    verdict = '[bold green]OK[/bold green]' if result.ok else '[bold red]NOT OK[/bold red]'
    decoded = '' if result.decoded is None else f', {result.decoded:,} images decoded'
    console.print(
        f'{verdict}: {counts}. {result.expressions:,} expressions checked{decoded} in '
        f'{result.seconds:.1f} s.'
    )


def to_json(result: CheckResult) -> dict[str, Any]:
    """Return the result as plain values."""
    return {
        'root': str(result.root.path),
        'ok': result.ok,
        'layout': result.root.layout,
        'image_folder': None if result.root.image_folder is None else str(result.root.image_folder),
        'splits': [
            {
                'dataset': file.dataset,
                'split_by': file.split_by,
                'split': name,
                **split.counts._asdict(),
                'published': _expected(file, name),
            }
            for file in result.refs_files
            for name, split in file.splits.items()
        ],
        'own': [file.to_dict() for file in result.own],
        'images': {
            name: {'present': present, 'annotated': annotated}
            for name, (present, annotated) in result.images.items()
        },
        'decoded': result.decoded,
        'overlaps': [overlap._asdict() for overlap in result.overlaps],
        'findings': result.findings.to_list(),
        'expressions': result.expressions,
        'seconds': round(result.seconds, 2),
    }


def _expected(file: RefsFile, split: str) -> dict[str, int | None] | None:
    expected = (file.published or {}).get(split)
    return None if expected is None else expected._asdict()


def _layout(result: CheckResult) -> str:
    """Return the layout in words."""
    root = result.root
    if not root.datasets and not root.own:
        return 'no dataset found'
    if not root.datasets:
        return 'own data (JSON lines)'
    if root.image_folder is None:
        return 'no image folder'
    folder = root.image_folder.relative_to(root.path)
    known = 'layout of ' + ('the refer API' if root.layout == 'refer' else 'mmdetection')
    return f'{known if root.layout in LAYOUTS else "no known layout"}, images in {folder}'


def _dataset_table(result: CheckResult) -> Table:
    """Refs, images and expressions of every split, beside the published numbers."""
    table = Table(title='Datasets (a number after / is the expected one, where it differs)')
    for column, justify in (
        ('dataset', 'left'),
        ('split', 'left'),
        ('refs', 'right'),
        ('images', 'right'),
        ('expressions', 'right'),
        ('counts', 'left'),
        ('image files', 'right'),
    ):
        table.add_column(column, justify=justify)
    for file in result.refs_files:
        present = result.images.get(file.dataset)
        images = '-' if present is None else f'{present[0]:,} of {present[1]:,}'
        for position, (name, split) in enumerate(file.splits.items()):
            expected = (file.published or {}).get(name)
            cells = [
                _number(found, None if expected is None else expected[place])
                for place, found in enumerate(split.counts)
            ]
            status = 'nothing to compare with'
            if expected is not None:
                same = all(e in (None, f) for e, f in zip(expected, split.counts, strict=True))
                status = '[green]as expected[/green]' if same else '[red]differ[/red]'
            first = position == 0
            row = [file.name if first else '', name, *cells, status, images if first else '']
            table.add_row(*row, end_section=position == len(file.splits) - 1)
    for own in result.own:
        cells = [f'{number:,}' for number in (own.refs, own.images, own.expressions)]
        status = {None: 'own data', True: '[green]as expected[/green]', False: '[red]differ[/red]'}
        row = (own.name, ', '.join(own.splits) or '-', *cells, status[own.as_published])
        table.add_row(*row, own.present)
    coco = [file for file in result.refs_files if file.dataset not in OWN_IMAGES]
    names = {folder.name for folder in result.root.datasets}
    for name in [name for name in USUAL if coco and name not in names]:
        table.add_row(name, '', '', '', '', f'not here: {SOURCES[name]}', '')
    return table


def _number(found: int | None, expected: int | None) -> str:
    """Return a count, and the published one where it differs."""
    if expected in (None, found):
        return f'{found:,}'
    return f'[red]{found:,} / {expected:,}[/red]'


def _overlap_table(result: CheckResult) -> Table:
    """Shared images of training and held-out splits."""
    table = Table(title='Images of held-out splits that are in a training split')
    for column in ('trained on', 'tested on', 'split', 'shared images'):
        table.add_column(column, justify='right' if column == 'shared images' else 'left')
    for one in result.overlaps:
        share = f'{one.shared:,} of {one.images:,} ({one.shared / one.images:.0%})'
        table.add_row(one.train, one.held_out, one.split, share)
    return table


def print_findings(findings: Findings, console: Console) -> None:
    """Print every finding with what to do next."""
    table = Table(title='What was found, and what to do next', show_lines=True)
    for column in ('', 'where', 'what is wrong', 'what to do next'):
        table.add_column(column, overflow='fold')
    for finding in findings:
        level = f'[{STYLES[finding.level]}]{finding.level}[/]'
        table.add_row(level, escape(finding.where), escape(_text(finding)), escape(finding.advice))
    console.print(table)


def _text(finding: Finding) -> str:
    """Return the problem, how often it occurs, and examples."""
    if not finding.examples:
        return finding.problem
    if finding.count == 1:
        return f'{finding.problem} {finding.examples[0]}'
    more = ', ...' if finding.count > len(finding.examples) else ''
    return f'{finding.problem} {finding.count:,} x: {", ".join(finding.examples)}{more}'
