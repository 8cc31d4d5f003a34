# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Finds out whether a model reads: ``magnet-mm audit CONFIG CHECKPOINT --out DIR``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction
from rich.console import Console
from rich.progress import track
from rich.table import Table

from magnet_mm.analysis import ItemSource
from magnet_mm.apis import ReferringSegInferencer, find_config
from magnet_mm.audit.answers import answer_questions
from magnet_mm.audit.material import choose_material
from magnet_mm.audit.page import SHOWN, audit_numbers, write_audit
from magnet_mm.audit.words import word_classifier
from magnet_mm.errors import ConfigError
from magnet_mm.text_safety import printable


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Find out whether a model reads: change sentences and pictures, compare masks.'
    )
    parser.add_argument('config', help='config file, or the name of a shipped config')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--split', help="split of the test data (default: the config's)")
    parser.add_argument(
        '--max-refs',
        type=int,
        default=200,
        metavar='N',
        help='objects to draw, with all their sentences (default 200; 0 takes all)',
    )
    parser.add_argument('--seed', type=int, default=0, help='of the draws (default 0)')
    parser.add_argument('--batch-size', type=int, default=32, help='sentences at once (default 32)')
    parser.add_argument('--device', help='cpu, cuda, cuda:1 ... (default: what is there)')
    parser.add_argument(
        '--out', default='audit', metavar='DIR', help='for audit.html and audit.json'
    )
    parser.add_argument(
        '--pictures', type=int, default=SHOWN, help=f'shown per probe (default {SHOWN})'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='override config values: key=value'
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, print the table, write the page."""
    args = parse_args(arguments)
    if min(args.max_refs, args.seed, args.pictures) < 0:
        raise ConfigError('--max-refs, --seed and --pictures must not be negative.')
    if args.batch_size < 1:
        raise ConfigError(f'--batch-size {args.batch_size}: at least one sentence is needed.')
    config = Config.fromfile(find_config(args.config))
    config.merge_from_dict(args.cfg_options or {})
    source = ItemSource(config, args.split)
    material = choose_material(source, args.max_refs or None, args.seed)
    inferencer = ReferringSegInferencer(config, args.checkpoint, args.device, show_progress=False)
    classes, classified_by = word_classifier()
    images = len({subject.image for subject in material.subjects})
    console = Console(stderr=True)
    answers = [
        answer
        for of_image in track(
            answer_questions(inferencer, source, material, args.seed, args.batch_size),
            description='Images',
            total=images,
            console=console,
        )
        for answer in of_image
    ]
    first = source.dataset.get_data_info(material.subjects[0].index)
    facts = dict(
        title=printable(f'{first["dataset_name"]}, {first["split"]}'),
        config=printable(Path(args.config).name),
        checkpoint=printable(Path(args.checkpoint).name),
        seed=args.seed,
        sentences=len(material.subjects),
        objects=len({subject.ref_id for subject in material.subjects}),
        objects_in_split=material.objects_in_split,
        left_out=material.left_out,
        classified_by=classified_by,
    )
    numbers = audit_numbers(answers, classes, facts)
    Console().print(audit_table(numbers))
    page = write_audit(args.out, source, answers, numbers, args.pictures)
    Console(soft_wrap=True).print(f'audit: {page}', markup=False, highlight=False)
    return 0


def audit_table(numbers: Mapping[str, Any]) -> Table:
    """Return the measures as a table for the terminal."""
    table = Table(title=f'{numbers["title"]}: does the model read? (percent)', show_edge=False)
    table.add_column('measure')
    for name in ('value', '95 % interval', 'good', 'mean over', 'n/a'):
        table.add_column(name, justify='right')
    for row in numbers['measures']:
        known = row['value'] is not None
        table.add_row(
            row['title'],
            f'{row["value"]:.1f}' if known else '-',
            f'{row["low"]:.1f} to {row["high"]:.1f}' if known else '-',
            row['good'] or '-',
            f'{row["count"]:,}',
            f'{row["not_applicable"]:,}',
        )
    return table
