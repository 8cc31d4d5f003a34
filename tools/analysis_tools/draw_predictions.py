# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Draw predictions out of the per-item results of ``tools/test.py --out DIR``.

Each picture shows the sentence, the image, the ground truth and the prediction; a contact sheet
shows them together. Example::

    python tools/analysis_tools/draw_predictions.py configs/magnet_tiny_refshapes.py \
        DIR/items_refshapes_val.jsonl --split val --out-dir pictures --select worst
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import mmcv
import numpy as np

import magnet_mm  # noqa: F401  (registers the dataset and the transforms)
from magnet_mm.analysis import ItemSource
from magnet_mm.errors import ConfigError, DataError
from magnet_mm.evaluation import decode_mask, item_key, read_items
from magnet_mm.evaluation.results_io import Item
from magnet_mm.visualization import contact_sheet, draw_panels


def select_items(items: Sequence[Item], how: str, count: int, seed: int = 0) -> list[Item]:
    """Choose ``count`` items: ``first``, ``worst`` or ``best`` by IoU, or ``random``."""
    items = sorted(items, key=item_key)
    if how == 'random':
        return random.Random(seed).sample(items, min(count, len(items)))
    if how != 'first':
        items.sort(key=lambda item: item['iou'], reverse=how == 'best')
    return items[:count]


def draw_item(source: ItemSource, item: Item) -> np.ndarray:
    """Draw one item over the dataset's image and ground truth; RGB uint8 [H, W, 3]."""
    sample = source.load(item)
    return draw_panels(
        sample.image,
        expression=item['expression'],
        ground_truth=sample.ground_truth,
        prediction=decode_mask(item['prediction']),
        iou=item['iou'],
    )


def draw_items(source: ItemSource, items: Sequence[Item], out_dir: Path) -> list[Path]:
    """Write one PNG per item and ``contact_sheet.png``; return their paths, the sheet last."""
    out_dir.mkdir(parents=True, exist_ok=True)
    paths, pictures = [], []
    for rank, item in enumerate(items):
        pictures.append(draw_item(source, item))
        paths.append(out_dir / f'{rank:03d}_ref{item["ref_id"]}_sent{item["sent_id"]}.png')
        mmcv.imwrite(mmcv.rgb2bgr(pictures[-1]), str(paths[-1]))
    paths.append(out_dir / 'contact_sheet.png')
    mmcv.imwrite(mmcv.rgb2bgr(contact_sheet(pictures)), str(paths[-1]))
    return paths


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', type=Path, help='config whose test dataset the results are of')
    parser.add_argument('items', type=Path, help='items_<dataset>_<split>.jsonl')
    parser.add_argument('--split', help="split of the results (default: the config's test split)")
    parser.add_argument('--out-dir', type=Path, required=True, help='directory for the PNGs')
    parser.add_argument('--num', type=int, default=12, help='number of pictures (default 12)')
    parser.add_argument('--select', choices=('first', 'worst', 'best', 'random'), default='first')
    parser.add_argument('--seed', type=int, default=0, help='seed of --select random (default 0)')
    args = parser.parse_args(arguments)
    if args.num < 1:
        parser.error('--num should be at least 1')
    try:
        items = select_items(read_items(args.items), args.select, args.num, args.seed)
        paths = draw_items(ItemSource(args.config, args.split), items, args.out_dir)
    except (ConfigError, DataError) as error:
        sys.exit(f'draw_predictions: {error}')
    print(f'{len(paths) - 1} pictures and {paths[-1]}')


if __name__ == '__main__':
    main()
