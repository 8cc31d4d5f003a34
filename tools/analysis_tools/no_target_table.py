# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Prints N-acc, T-acc and gIoU of several runs as a Markdown table.

``python tools/analysis_tools/no_target_table.py WORK_DIR ... --split testA``; each folder holds the
``results.json`` of ``tools/test.py --json`` (``make no-target`` writes them).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

SCORES = ('N-acc', 'T-acc', 'gIoU', 'cIoU')


def table(folders: Sequence[Path], split: str) -> str:
    """Return one row per folder, named after it; scores in percent."""
    lines = [f'| run | {" | ".join(SCORES)} |', '|---' * (len(SCORES) + 1) + '|']
    for folder in folders:
        scores = json.loads((folder / 'results.json').read_text(encoding='utf-8'))[split]
        cells = (f'{scores[name]:.2f}' if name in scores else '-' for name in SCORES)
        lines.append(f'| {folder.name} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folders', nargs='+', type=Path, help='work folders with a results.json')
    parser.add_argument('--split', default='testA', help='default testA')
    args = parser.parse_args(arguments)
    print(table(args.folders, args.split))


if __name__ == '__main__':
    main()
