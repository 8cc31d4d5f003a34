# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Converts COCO instances and a file of sentences to JSON lines (docs/data.md).

python tools/dataset_tools/coco2jsonl.py instances.json sentences.csv data/own/train.jsonl
"""

import argparse
import sys
from pathlib import Path

from _conversion import convert

from magnet_mm.data_tools.conversion import coco_to_jsonl


def main(argv: list[str] | None = None) -> int:
    """Convert and report."""
    parser = argparse.ArgumentParser(
        description='Convert COCO instances and sentences to JSON lines.'
    )
    parser.add_argument('instances', type=Path, help='COCO instances file')
    parser.add_argument('sentences', type=Path, help='JSON lines or CSV with ann_id and expression')
    parser.add_argument('out', type=Path, help='JSON-lines file to write')
    parser.add_argument('--split', help='split of the lines that name none')
    parser.add_argument('--image-prefix', default='', help='folder below the data root with images')
    args = parser.parse_args(argv)
    return convert(
        lambda: coco_to_jsonl(
            args.instances, args.sentences, args.out, args.split, args.image_prefix
        ),
        args.out,
        'lines',
    )


if __name__ == '__main__':
    sys.exit(main())
