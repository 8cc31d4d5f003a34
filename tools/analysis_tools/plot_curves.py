# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Plot the training curves of a work dir: losses, learning rate, validation scores.

Example: ``python tools/analysis_tools/plot_curves.py work_dirs/demo --out curves.png``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from magnet_mm.analysis import plot_curves
from magnet_mm.errors import DataError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('work_dir', type=Path, help='the --work-dir of tools/train.py')
    parser.add_argument('--out', type=Path, help='PNG to write (default: WORK_DIR/curves.png)')
    args = parser.parse_args(arguments)
    out_file = args.out or args.work_dir / 'curves.png'
    try:
        plot_curves(args.work_dir, out_file)
    except DataError as error:
        sys.exit(f'plot_curves: {error}')
    print(f'training curves: {out_file}')


if __name__ == '__main__':
    main()
