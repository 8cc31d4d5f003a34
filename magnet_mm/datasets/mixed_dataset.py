# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Several referring datasets trained on together, without the images any of them is tested on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.dataset import ConcatDataset
from mmseg.registry import DATASETS

from magnet_mm.errors import ConfigError


@DATASETS.register_module()
class MixedReferringDataset(ConcatDataset):
    """Training data of several `ReferringDataset`, images of their held-out splits removed.

    RefCOCO, RefCOCO+ and G-Ref all draw from COCO train2014 and split it differently, so the
    training part of one holds test images of another. Every image that any listed refs or
    JSON-lines file uses outside `train` is removed from all of them. Images are the same where the
    file is the same, or where they have the same id in one image folder; copies of one collection
    in several folders must declare it by `image_collection` (see `held_out`).

    Args:
        datasets (Sequence[dict]): Configs of training datasets (`test_mode=False`).
        exclude (Sequence[dict]): Further files whose held-out images are removed, as in
            `ReferringDataset` (with `data_root`), e.g. datasets only tested on. The ids of one
            whose `data_root` none of the datasets has count in all of them.
        lazy_init (bool): Load the annotations at first use instead of now.

    Raises:
        ConfigError: No dataset, a dataset is not a config, or one is in test mode.

    Source: docs/train_and_evaluate.md, "The protocol".
    """

    def __init__(
        self, datasets: Sequence[dict], exclude: Sequence[dict] = (), lazy_init: bool = False
    ) -> None:
        if not datasets:
            raise ConfigError('MixedReferringDataset: `datasets` is empty. List at least one.')
        for config in datasets:
            if not isinstance(config, dict) or config.get('test_mode', False):
                raise ConfigError(
                    'MixedReferringDataset takes configs (dicts) of training datasets, without '
                    'test_mode=True: score each dataset on its own instead.'
                )
        held_out = [_own_entry(config) for config in datasets]
        held_out += [_further_entry(entry, datasets) for entry in exclude]
        built = [
            DATASETS.build(
                dict(config, exclude=[*config.get('exclude', ()), *held_out], lazy_init=lazy_init)
            )
            for config in datasets
        ]
        super().__init__(built, lazy_init=lazy_init)


def _own_entry(config: dict) -> dict[str, Any]:
    """Say what one of the datasets holds out of all of them."""
    return dict(
        data_root=config.get('data_root', ''),
        refs_file=config.get('refs_file', config['ann_file']),  # JSON lines have no refs file
        img_path=config.get('data_prefix', {}).get('img_path', ''),
        image_collection=config.get('image_collection'),
        trained=True,
    )


def _further_entry(entry: dict, datasets: Sequence[dict]) -> dict[str, Any]:
    """Give an entry of `exclude` the image folder of the first dataset with its data root."""
    if 'img_path' in entry or 'image_collection' in entry:
        return entry
    for config in datasets:
        if 'refs_file' in config and config.get('data_root', '') == entry.get('data_root', ''):
            if not str(entry['refs_file']).endswith('.jsonl'):
                return dict(entry, img_path=config.get('data_prefix', {}).get('img_path', ''))
    return entry
