# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Makes the RefShapes data set: ``python tools/dataset_tools/make_refshapes.py data/refshapes``."""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from pathlib import Path

from tqdm import tqdm

from magnet_mm.errors import DataError
from magnet_mm.refshapes import DEFAULT_COUNTS, SPLITS, write_refshapes
from magnet_mm.refshapes.style import PLAIN, STYLES
from magnet_mm.refshapes.summary import summary_table
from magnet_mm.refshapes.writer import SUMMARY_FILE


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Make the RefShapes data set.')
    parser.add_argument('out', type=Path, help='data root to make, e.g. data/refshapes')
    parser.add_argument('--seed', type=int, default=0, help='same seed, same files (default 0)')
    parser.add_argument(
        '--style',
        choices=STYLES,
        default=PLAIN,
        help=f'colours and words (default {PLAIN}); "market" has others, for fine-tuning',
    )
    for split in SPLITS:
        parser.add_argument(
            f'--{split}',
            type=int,
            default=DEFAULT_COUNTS[split],
            metavar='IMAGES',
            help=f'number of {split} images (default {DEFAULT_COUNTS[split]})',
        )
    return parser.parse_args()


def main() -> int:
    """Make the data set and print a summary."""
    args = parse_args()
    counts = {split: getattr(args, split) for split in SPLITS}
    start = time.time()
    show = functools.partial(tqdm, desc='RefShapes', unit='image', mininterval=1.0)
    try:
        written = write_refshapes(args.out, args.seed, counts, progress=show, style=args.style)
    except DataError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    took = f'written in {time.time() - start:.0f} s' if written else 'was there already'
    print(f'RefShapes in {args.out}: {took}.')
    print(summary_table(json.loads((args.out / SUMMARY_FILE).read_text(encoding='utf-8'))))
    return 0


if __name__ == '__main__':
    sys.exit(main())
