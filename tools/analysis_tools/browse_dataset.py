# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Draw what the data pipeline of a config really yields: image, mask, sentence, tokens.

Example::

    python tools/analysis_tools/browse_dataset.py configs/magnet_tiny_refshapes.py \
        --number 12 --out-dir browse
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _importable  # noqa: E402, F401
import mmcv  # noqa: E402
import numpy as np  # noqa: E402
from mmengine.config import Config, DictAction  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from mmseg.registry import DATASETS  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from rich.text import Text  # noqa: E402

from magnet_mm.datasets.samplers import EpochIndex  # noqa: E402
from magnet_mm.engine.run_setup import runtime  # noqa: E402
from magnet_mm.errors import ConfigError, DataError  # noqa: E402
from magnet_mm.visualization import contact_sheet, printable  # noqa: E402
from magnet_mm.visualization.pipeline_pictures import (  # noqa: E402
    draw_pipeline_item,
    find_tokenizing,
    read_tokens,
)


def build_dataset(config: Config, split: str) -> Any:
    """Return the training dataset for ``train``, else the test dataset at another split."""
    settings = config.train_dataloader.dataset
    if split != 'train':
        settings = dict(config.test_dataloader.dataset, split=split)
        settings.pop('expressions', None)
    with DefaultScope.overwrite_default_scope(config.get('default_scope', 'mmseg')):
        return DATASETS.build(settings)


def choose(length: int, number: int, how: str, seed: int) -> list[int]:
    """Return the indices of the items to draw: spread evenly, the first ones, or random."""
    number = min(number, length)
    if how == 'first':
        return list(range(number))
    if how == 'random':
        return random.Random(seed).sample(range(length), number)
    return np.linspace(0, length - 1, number).round().astype(int).tolist()


def browse(dataset: Any, indices: Sequence[int], out_dir: Path) -> Table:
    """Write one PNG per item and ``contact_sheet.png``; return a table of the items."""
    tokenizing = find_tokenizing(dataset)
    out_dir.mkdir(parents=True, exist_ok=True)
    table = Table('item', 'ref', 'sent', 'pixels', 'object', 'tokens', 'sentence')
    pictures = []
    for index in indices:
        item = dataset[index]
        sample, sentence = item['data_samples'], read_tokens(item, tokenizing)
        pictures.append(draw_pipeline_item(item, sentence))
        name = f'{int(index):06d}_ref{sample.ref_id}_sent{sample.sent_id}.png'
        mmcv.imwrite(mmcv.rgb2bgr(pictures[-1]), str(out_dir / name))
        share = sample.gt_sem_seg.data.float().mean().item()
        height, width = item['inputs'].shape[1:]
        cut = f' (cut from {sentence.whole})' if sentence.whole > len(sentence.tokens) else ''
        row = (int(index), sample.ref_id, sample.sent_id, f'{width}x{height}', f'{share:.1%}')
        tokens = f'{len(sentence.tokens)} of {sentence.room}{cut}'
        table.add_row(*map(str, row), tokens, Text(printable(sample.expression)))
    mmcv.imwrite(mmcv.rgb2bgr(contact_sheet(pictures)), str(out_dir / 'contact_sheet.png'))
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--split',
        default='train',
        help='train (default): the training dataset and pipeline; another: the test dataset and '
        'pipeline at that split, for example val, testA or val_shuffled',
    )
    parser.add_argument('--number', type=int, default=12, help='items to draw (default 12)')
    parser.add_argument(
        '--select', choices=('spread', 'first', 'random'), default='spread', help='which items'
    )
    parser.add_argument('--seed', type=int, default=0, help='of --select random and of sentences')
    parser.add_argument(
        '--epoch', type=int, default=0, help='epoch whose drawn sentences are shown (default 0)'
    )
    parser.add_argument('--out-dir', type=Path, required=True, help='directory for the PNGs')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='as in tools/train.py')
    args = parser.parse_args(arguments)
    if args.number < 1 or args.epoch < 0 or args.seed < 0:
        parser.error('--number should be at least 1, --epoch and --seed at least 0')
    try:
        dataset = build_dataset(runtime.load_config(args.config, args.cfg_options), args.split)
        chosen = choose(len(dataset), args.number, args.select, args.seed)
        indices = [EpochIndex(index, args.epoch, args.seed) for index in chosen]
        table = browse(dataset, indices, args.out_dir)
    except (ConfigError, DataError) as error:
        sys.exit(
            'browse_dataset: ' + ''.join(c if c.isprintable() else '\ufffd' for c in str(error))
        )
    table.title = f'{args.split}: {len(indices)} of {len(dataset):,} items'
    Console().print(table)
    print(f'{len(indices)} pictures and {args.out_dir / "contact_sheet.png"}')


if __name__ == '__main__':
    main()
