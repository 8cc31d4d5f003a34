# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Adapts a model to own data: ``magnet-mm finetune --data own.jsonl --images DIR --from CKPT``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from magnet_mm.apis import find_config
from magnet_mm.engine.run_setup.host_memory import keep_freed_memory
from magnet_mm.errors import ConfigError
from magnet_mm.finetuning.own_data import Source
from magnet_mm.finetuning.run import Request, prepare, train

PARTS = ('visual', 'text', 'fusion')


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Adapt a trained model to data of your own.')
    parser.add_argument(
        '--data',
        required=True,
        type=Path,
        help='JSON lines, a CSV table about masks, COCO instances, or a folder of LabelMe files '
        '(docs/finetune.md)',
    )
    parser.add_argument(
        '--images', type=Path, metavar='DIR', help='folder of the images (default: that of --data)'
    )
    parser.add_argument(
        '--masks', type=Path, metavar='DIR', help='folder of mask PNGs (default: that of --data)'
    )
    parser.add_argument(
        '--sentences', type=Path, metavar='FILE', help='sentences about COCO instances (CSV, JSONL)'
    )
    parser.add_argument(
        '--from', dest='checkpoint', required=True, metavar='CKPT', help='checkpoint to start from'
    )
    parser.add_argument(
        '--config', help='its config (default: the one that the checkpoint carries)'
    )
    parser.add_argument(
        '--work-dir', type=Path, help='where all goes (default: work_dirs/finetune_<data>)'
    )
    parser.add_argument(
        '--freeze',
        default='',
        metavar='PARTS',
        help=f'parts that keep their weights: {",".join(PARTS)}',
    )
    parser.add_argument(
        '--val-share',
        type=float,
        default=0.2,
        help='share of the images to validate on, where the data has no splits (default 0.2)',
    )
    parser.add_argument('--seed', type=int, default=0, help='of splits and training (default 0)')
    parser.add_argument('--epochs', type=int, help='default: from the amount of data')
    parser.add_argument(
        '--prepare-only', action='store_true', help='check, decide, write the config, and stop'
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare, train, compare."""
    args = parse_args(arguments)
    frozen = [part.strip() for part in args.freeze.split(',') if part.strip()]
    if not set(frozen) <= set(PARTS):
        raise ConfigError(f'--freeze takes {", ".join(PARTS)}, separated by commas.')
    if not 0 < args.val_share < 1 or (args.epochs is not None and args.epochs < 1):
        raise ConfigError('--val-share is between 0 and 1, --epochs at least 1.')
    request = Request(
        Source(args.data, args.images, args.masks, args.sentences),
        args.checkpoint,
        args.work_dir or Path('work_dirs') / f'finetune_{args.data.stem}',
        None if args.config is None else str(find_config(args.config)),
        frozen,
        args.val_share,
        args.seed,
        args.epochs,
    )
    keep_freed_memory()
    console = Console()
    config = prepare(request, console)
    if not args.prepare_only:
        train(config, console)
    return 0
