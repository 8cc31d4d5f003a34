# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Finds the image and the ground truth of the items in a per-item result file."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass
from typing import Any

import mmcv
import numpy as np
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS
from pycocotools import mask as coco_mask

from magnet_mm.datasets.annotations.target_masks import target_rle
from magnet_mm.datasets.image_files import open_image
from magnet_mm.errors import ConfigError, DataError
from magnet_mm.evaluation import Item

# No tokens, so that no tokenizer is needed; images as the configs' pipelines read them.
_PIPELINE = [dict(type='LoadReferringImage'), dict(type='LoadReferringMask')]


@dataclass(frozen=True)
class SourceItem:
    """Image (RGB uint8 [H, W, 3]) and ground truth (uint8 [H, W] of 0 and 1) of an item."""

    image: np.ndarray
    ground_truth: np.ndarray


class ItemSource:
    """The test dataset of a config, looked up by the items of a result file.

    Args:
        config_file: Config, or its file, whose ``test_dataloader.dataset`` the results are of.
        split: Split of the results, controls (``val_blank``) included; None takes the config's.

    Raises:
        ConfigError: If there is no such config file.
        DataError: If the dataset cannot be read.
    """

    def __init__(
        self, config_file: str | os.PathLike[str] | Config, split: str | None = None
    ) -> None:
        """See the class."""
        config = config_file
        if not isinstance(config, Config):
            if not os.path.isfile(config_file):
                raise ConfigError(f'There is no config file {config_file}.')
            config = Config.fromfile(config_file)
        settings = copy.deepcopy(config.test_dataloader.dataset)
        if split is not None:
            settings.pop('expressions', None)
            settings.split = split
        settings.update(test_mode=True, pipeline=_PIPELINE)
        with DefaultScope.overwrite_default_scope(config.get('default_scope', 'mmseg')):
            self.dataset = DATASETS.build(settings)
        self._index: dict[tuple[int, int], int] = {}
        for index in range(len(self.dataset)):
            info = self.dataset.get_data_info(index)
            self._index[info['ref_id'], info['sent_id']] = index

    def info(self, item: Item) -> dict[str, Any]:
        """Return the annotation of an item.

        Raises:
            DataError: If the dataset has no such item, or another sentence for it.
        """
        return self.dataset.get_data_info(self._find(item))

    def load(self, item: Item) -> SourceItem:
        """Image and ground truth of an item; see :meth:`info` for the errors."""
        sample = self.dataset[self._find(item)]
        return SourceItem(mmcv.bgr2rgb(sample['img']), sample['gt_seg_map'])

    def relative_size(self, item: Item) -> float:
        """Share of the image that the object covers, 0 to 1.

        From the annotation alone; own data does not say the size of an image, whose header is read.
        """
        info = self.info(item)
        if 'height' in info:
            height, width = info['height'], info['width']
        else:
            with open_image(info['img_path']) as image:
                height, width = image.height, image.width
        rle = target_rle(info, height, width, info['img_path'])
        return float(coco_mask.area(rle)) / (height * width)

    def _find(self, item: Item) -> int:
        key = (item['ref_id'], item['sent_id'])
        if key not in self._index:
            raise DataError(
                f'the results hold ref_id {key[0]}, sent_id {key[1]}, which the dataset does not: '
                'give the config and --split that the results were made with'
            )
        expression = self.dataset.get_data_info(self._index[key])['expression']
        if expression != item['expression']:
            raise DataError(
                f"ref_id {key[0]}, sent_id {key[1]} says '{item['expression']}' in the results and "
                f"'{expression}' in the dataset: give the config and --split that the results were "
                'made with'
            )
        return self._index[key]
