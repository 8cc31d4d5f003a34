# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Several referring datasets trained on together, without the images any of them is tested on."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.dataset import ConcatDataset
from mmseg.registry import DATASETS

from magnet_mm.datasets.samplers import VisitIndex
from magnet_mm.errors import ConfigError


@DATASETS.register_module()
class MixedReferringDataset(ConcatDataset):
    """Training data of several `ReferringDataset`, images of their held-out splits removed.

    RefCOCO, RefCOCO+ and G-Ref all draw from COCO train2014 and split it differently, so the
    training part of one holds test images of another. Every image that any listed refs file
    uses outside `train` is removed from all of them; images are compared by COCO id.

    Args:
        datasets (Sequence[dict]): Configs of training datasets (`test_mode=False`).
        exclude (Sequence[dict]): Further refs files whose held-out images are removed, as in
            `ReferringDataset` (with `data_root`), e.g. datasets only tested on.
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
        held_out = [
            dict(data_root=config.get('data_root', ''), refs_file=config['refs_file'])
            for config in datasets
            if 'refs_file' in config  # own data (JSON lines) has no splits of COCO images
        ] + list(exclude)
        built = [
            DATASETS.build(
                dict(config, exclude=[*config.get('exclude', ()), *held_out], lazy_init=lazy_init)
            )
            for config in datasets
        ]
        super().__init__(built, lazy_init=lazy_init)

    def _get_ori_dataset_idx(self, idx: int) -> tuple[int, int]:
        """Dataset and index within it; the visit goes along."""
        dataset_idx, sample_idx = super()._get_ori_dataset_idx(idx)
        return dataset_idx, VisitIndex.like(idx, sample_idx)
