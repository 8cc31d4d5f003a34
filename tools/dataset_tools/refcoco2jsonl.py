# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Converts RefCOCO or gRefCOCO files to JSON lines (docs/data.md).

python tools/dataset_tools/refcoco2jsonl.py data/refer/refcoco/instances.json \
        'data/refer/refcoco/refs(unc).p' refcoco.jsonl
"""

import argparse
import sys
from pathlib import Path

from _conversion import convert

from magnet_mm.data_tools.conversion import refcoco_to_jsonl


def main(argv: list[str] | None = None) -> int:
    """Convert and report."""
    parser = argparse.ArgumentParser(description='Convert RefCOCO files to JSON lines.')
    parser.add_argument('instances', type=Path, help='instances.json')
    parser.add_argument('refs', type=Path, help='refs(<split_by>).p or grefs(<split_by>).json')
    parser.add_argument('out', type=Path, help='JSON-lines file to write')
    parser.add_argument('--splits', nargs='+', help='splits to convert (default: all)')
    parser.add_argument('--image-prefix', default='', help='folder below the data root with images')
    args = parser.parse_args(argv)
    return convert(
        lambda: refcoco_to_jsonl(
            args.instances, args.refs, args.out, args.splits, args.image_prefix
        ),
        args.out,
        'lines',
    )


if __name__ == '__main__':
    sys.exit(main())
