# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Adapt a model of RefShapes to its second style, and train one from scratch as long.

    python tools/analysis_tools/adaptation.py work_dirs/demo/best_oIoU_epoch_5.pth

Prints oIoU on the second style's val before, after, and from scratch (docs/finetune.md).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _importable  # noqa: E402, F401
from mmengine.config import Config  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

import magnet_mm  # noqa: E402, F401  (registers the components)
from magnet_mm.atomic_files import write_atomically  # noqa: E402
from magnet_mm.data_tools.conversion import refcoco_to_jsonl  # noqa: E402
from magnet_mm.finetuning.own_data import Source  # noqa: E402
from magnet_mm.finetuning.run import Request, evaluate, fit, prepare  # noqa: E402
from magnet_mm.refshapes import write_refshapes  # noqa: E402

STYLE, SEED = 'market', 7


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('checkpoint', help='trained on RefShapes')
    parser.add_argument('--config', help='its config (default: the one that it carries)')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/adaptation'), metavar='DIR')
    parser.add_argument('--images', type=int, default=100, help='to train on (default 100)')
    parser.add_argument('--val', type=int, default=50, help='images of val (default 50)')
    parser.add_argument('--epochs', type=int, help='default: what finetune decides')
    args = parser.parse_args(arguments)
    counts = dict(train=args.images, val=args.val, testA=0, testB=0)
    write_refshapes(args.out / 'data', SEED, counts, style=STYLE)
    lines = args.out / 'own.jsonl'
    if not lines.exists():
        annotations = args.out / 'data/refshapes'
        refcoco_to_jsonl(annotations / 'instances.json', annotations / 'refs(unc).p', lines)
    request = Request(
        Source(lines, args.out / 'data/images/mscoco/images/train2014'),
        args.checkpoint,
        args.out / 'finetune',
        args.config,
        epochs=args.epochs,
    )
    path = prepare(request, Console())
    cfg = Config.fromfile(path)
    rows = {'before': (evaluate(cfg, cfg.load_from, args.out / 'before'), 0.0)}
    rows['after'] = timed(cfg, args.out / 'after')
    rows['from scratch'] = timed(from_scratch(path), args.out / 'scratch')
    report(rows, args.out)


def from_scratch(path: Path) -> Config:
    """Return the config without weights, with the recipe's own rate, to the end of its epochs."""
    cfg = Config.fromfile(path)
    base = Config.fromfile(path.with_name('base.py'))
    cfg.load_from = None
    cfg.work_dir = str(Path(cfg.work_dir).with_name('from_scratch'))
    cfg.optim_wrapper.optimizer.lr = base.optim_wrapper.optimizer.lr
    cfg.default_hooks.pop('early_stopping')
    return cfg


def timed(cfg: Config, folder: Path) -> tuple[dict[str, float], float]:
    """Train; returns the scores of the best checkpoint, and the seconds of the training."""
    start = time.monotonic()
    best = fit(cfg)
    seconds = time.monotonic() - start
    return evaluate(cfg, str(best), folder), seconds


def report(rows: dict[str, tuple[dict[str, float], float]], out: Path) -> None:
    """Print the table and write it as JSON."""
    table = Table('', 'oIoU', 'mIoU', 'P@0.5', 'training, s')
    for name, (scores, seconds) in rows.items():
        cells = (f'{scores[score]:.2f}' for score in ('oIoU', 'mIoU', 'P@0.5'))
        table.add_row(name, *cells, f'{seconds:.0f}')
    Console().print(table)
    found = {name: dict(scores, seconds=seconds) for name, (scores, seconds) in rows.items()}
    write_atomically(out / 'adaptation.json', (json.dumps(found, indent=2) + '\n').encode())


if __name__ == '__main__':
    main()
