# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Converts JSON lines (docs/data.md) to RefCOCO files, instances.json and refs(unc).p.

python tools/dataset_tools/jsonl2refcoco.py data/own/train.jsonl out/own --split train
"""

import argparse
import sys
from pathlib import Path

from _conversion import convert

from magnet_mm.data_tools.conversion import jsonl_to_refcoco


def main(argv: list[str] | None = None) -> int:
    """Convert and report."""
    parser = argparse.ArgumentParser(description='Convert JSON lines to RefCOCO files.')
    parser.add_argument('jsonl', type=Path, help='JSON-lines file')
    parser.add_argument('out', type=Path, help='folder for instances.json and refs(unc).p')
    parser.add_argument('--images', type=Path, help="image folder (default: the file's folder)")
    parser.add_argument('--split', help='split of all lines, if they name none')
    args = parser.parse_args(argv)
    return convert(
        lambda: jsonl_to_refcoco(args.jsonl, args.out, args.images, args.split), args.out, 'refs'
    )


if __name__ == '__main__':
    sys.exit(main())
