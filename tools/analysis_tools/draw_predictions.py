# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Draw predictions out of the per-item results of ``tools/test.py --out DIR``.

Each picture shows the sentence, the image, the ground truth and the prediction; a contact sheet
shows them together. Example::

    python tools/analysis_tools/draw_predictions.py configs/magnet_tiny_refshapes.py \
        DIR/items_refshapes_val.jsonl --split val --out-dir pictures --select worst
"""

from __future__ import annotations

import argparse
import copy
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import mmcv
import numpy as np
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

import magnet_mm  # noqa: F401  (registers the dataset and the transforms)
from magnet_mm.errors import ConfigError, DataError
from magnet_mm.evaluation import decode_mask, item_key, read_items
from magnet_mm.evaluation.results_io import Item
from magnet_mm.visualization import contact_sheet, draw_panels


def build_dataset(config_file: Path, split: str | None) -> BaseDataset:
    """The config's test dataset at another split (``val_shuffled`` and ``val_blank`` included).

    It loads images and masks but no tokens, so that no tokenizer is needed.
    """
    config = Config.fromfile(config_file)
    init_default_scope(config.get('default_scope', 'mmseg'))
    settings = copy.deepcopy(config.test_dataloader.dataset)
    if split is not None:
        settings.update(split=split, expressions='own')
    settings.update(
        test_mode=True,
        pipeline=[dict(type='LoadReferringImage'), dict(type='LoadReferringMask')],
    )
    return DATASETS.build(settings)


def select_items(items: Sequence[Item], how: str, count: int, seed: int = 0) -> list[Item]:
    """Choose ``count`` items: ``first``, ``worst`` or ``best`` by IoU, or ``random``."""
    items = sorted(items, key=item_key)
    if how == 'random':
        return random.Random(seed).sample(items, min(count, len(items)))
    if how != 'first':
        items.sort(key=lambda item: item['iou'], reverse=how == 'best')
    return items[:count]


def draw_item(dataset: BaseDataset, index: int, item: Item) -> np.ndarray:
    """Draw one item over the dataset's image and ground truth; RGB uint8 [H, W, 3]."""
    sample = dataset[index]
    if sample['expression'] != item['expression']:
        raise DataError(
            f"ref_id {item['ref_id']}, sent_id {item['sent_id']} says '{item['expression']}' in "
            f"the results and '{sample['expression']}' in the dataset: give the config and "
            '--split that the results were made with'
        )
    return draw_panels(
        mmcv.bgr2rgb(sample['img']),
        expression=item['expression'],
        ground_truth=sample['gt_seg_map'],
        prediction=decode_mask(item['prediction']),
        iou=item['iou'],
    )


def draw_items(dataset: BaseDataset, items: Sequence[Item], out_dir: Path) -> list[Path]:
    """Write one PNG per item and ``contact_sheet.png``; return their paths, the sheet last."""
    index_of = {}
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        index_of[info['ref_id'], info['sent_id']] = index
    out_dir.mkdir(parents=True, exist_ok=True)
    paths, pictures = [], []
    for rank, item in enumerate(items):
        key = (item['ref_id'], item['sent_id'])
        if key not in index_of:
            raise DataError(
                f'the results hold ref_id {key[0]}, sent_id {key[1]}, which the dataset does not: '
                'give the config and --split that the results were made with'
            )
        pictures.append(draw_item(dataset, index_of[key], item))
        paths.append(out_dir / f'{rank:03d}_ref{key[0]}_sent{key[1]}.png')
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
        paths = draw_items(build_dataset(args.config, args.split), items, args.out_dir)
    except (ConfigError, DataError) as error:
        sys.exit(f'draw_predictions: {error}')
    print(f'{len(paths) - 1} pictures and {paths[-1]}')


if __name__ == '__main__':
    main()
