# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A split to score on: its sentences and true masks, out of the annotation files alone.

No image is opened, unless own data in JSON lines leave the size of their images to the files.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS
from pycocotools import mask as coco_mask

import magnet_mm.datasets  # noqa: F401  (registers the data sets)
from magnet_mm.apis.config_files import config_folder
from magnet_mm.datasets.annotations.masks import rle_to_mask
from magnet_mm.datasets.annotations.target_masks import target_rle
from magnet_mm.datasets.image_files import open_image
from magnet_mm.datasets.transforms.letterbox import box_mask
from magnet_mm.errors import ConfigError
from magnet_mm.evaluation.score_record import describe_data

Key = tuple[int, int]
Size = tuple[int, int]
OTHER_NAMES = {'refcoco+': 'refcocoplus', 'refcocog': 'refcocog-umd'}
#: RefShapes with several objects or none is a part of a config, not a file of its own.
_PARTS = {'grefshapes': 'refshapes'}


@dataclass(frozen=True)
class BenchmarkItem:
    """A test item: one sentence. ``size`` is the image's height and width in pixels."""

    ref_id: int
    sent_id: int
    expression: str
    kind: str | None
    no_target: bool
    img_id: int
    img_path: str
    size: Size

    @property
    def key(self) -> Key:
        """``(ref_id, sent_id)``, unique in a split."""
        return self.ref_id, self.sent_id


class Benchmark:
    """A split of one of the shipped data sets, or of own data.

    Args:
        root: Data root, in any of the layouts of docs/data.md.
        name: A data set in ``configs/_base_/datasets`` (``refcoco``, ``refcocoplus``,
            ``refcocog-umd``, ``refcocog-google``, ``grefcoco``, ``refshapes``, ``grefshapes``; also
            ``refcoco+`` and ``refcocog``), or a JSON-lines file below the root.
        split: One of its splits, also those of ``special_splits``; ``val_blank`` and the like are
            controls.

    Attributes:
        dataset: The data set, without a pipeline.
        items: The test items by ``(ref_id, sent_id)``, in the order of the files.
        generalized: Whether sentences may mean several objects or none (gRefCOCO).
        input_size: Height and width to which the shipped configs resize.

    Raises:
        ConfigError: There is no such data set.
        DataError: Its files cannot be read, or it has no such split.
    """

    def __init__(self, root: str | os.PathLike[str], name: str, split: str) -> None:
        settings, steps = _settings(os.fspath(root), name, split)
        width, height = steps['Resize'].scale
        self.input_size: Size = (height, width)
        self._tolerance = steps['LoadReferringMask'].get('size_tolerance', 0)
        settings.update(split=split, test_mode=True, pipeline=[], lazy_init=False)
        self.generalized = settings['type'] == 'GeneralizedReferringDataset'
        with DefaultScope.overwrite_default_scope('mmseg'):
            self.dataset = DATASETS.build(settings)
        infos = map(self.dataset.get_data_info, range(len(self.dataset)))
        self._sizes: dict[str, Size] = {}
        self.items: dict[Key, BenchmarkItem] = {}
        self._targets: dict[int, dict] = {}
        for info in infos:
            item = self._item(info)
            self.items[item.key] = item
        self._resized: dict[tuple, dict] = {}

    @property
    def name(self) -> str:
        """Name of the data set in samples and files."""
        return self.dataset.dataset_name

    @property
    def split(self) -> str:
        """The split, with a control's suffix."""
        return self.dataset.split_name

    @functools.cached_property
    def description(self) -> list[dict[str, Any]]:
        """Counts and hashes of the annotation files, for ``scores.json``."""
        return describe_data(self.dataset)

    def target(self, item: BenchmarkItem) -> dict:
        """Return the true mask at the image's size, compressed RLE."""
        return self._targets[item.ref_id]

    def target_at(
        self, item: BenchmarkItem, size: Size, letterbox: tuple[int, int, int, int] | None
    ) -> dict:
        """Return the true mask at the size of a network's input, as the test pipelines make it.

        Args:
            item: The item.
            size: Height and width of the input.
            letterbox: Top, left, height and width of the image in it; None where it fills it.
        """
        key = item.ref_id, size, letterbox
        if key not in self._resized:
            mask = rle_to_mask(self.target(item))
            self._resized[key] = coco_mask.encode(resized_mask(mask, size, letterbox))
        return self._resized[key]

    def _item(self, info: dict[str, Any]) -> BenchmarkItem:
        item = BenchmarkItem(
            ref_id=info['ref_id'],
            sent_id=info['sent_id'],
            expression=info['expression'],
            kind=info.get('kind'),
            no_target=bool(info.get('no_target', False)),
            img_id=info['img_id'],
            img_path=info['img_path'],
            size=self._size(info),
        )
        if item.ref_id not in self._targets:
            where = f'{info["ann_file"]}: annotation {info.get("ann_id")} of ref {item.ref_id}'
            self._targets[item.ref_id] = target_rle(info, *item.size, where, self._tolerance)
        return item

    def _size(self, info: dict[str, Any]) -> Size:
        if 'height' in info:
            return info['height'], info['width']
        path = info['img_path']
        if path not in self._sizes:
            with open_image(path) as image:
                self._sizes[path] = image.height, image.width
        return self._sizes[path]


def resized_mask(
    mask: np.ndarray, size: Size, letterbox: tuple[int, int, int, int] | None = None
) -> np.ndarray:
    """Resize a mask (uint8 ``[H, W]``) to an input as the test pipelines do, in Fortran order.

    By Pillow's nearest neighbours as in ``Resize(backend='pillow')``, or as ``Letterbox`` does.
    """
    if letterbox is None:
        height, width = size
        resized = mmcv.imresize(mask, (width, height), interpolation='nearest', backend='pillow')
    else:
        resized = box_mask(mask, size, letterbox)
    return np.asfortranarray(resized)


def _settings(root: str, name: str, split: str) -> tuple[dict[str, Any], dict[str, ConfigDict]]:
    """Config of a test data set, and the steps of its pipeline by type."""
    folder = config_folder() / '_base_/datasets'
    if name.endswith('.jsonl'):
        settings, steps = _settings(root, 'jsonl', split)
        return {**settings, 'ann_file': name, 'dataset_name': Path(name).stem}, steps
    name = OTHER_NAMES.get(name, name)
    # a name with "_" is another layout or pipeline of a data set that is there
    known = sorted(p.stem for p in folder.glob('*.py') if p.stem != 'mixed' and '_' not in p.stem)
    if name not in known:
        raise ConfigError(
            f'--dataset {name}: there is no such data set. Shipped are {", ".join(known)}; own '
            'data are named by their file (NAME.jsonl).'
        )
    config = Config.fromfile(folder / f'{_PARTS.get(name, name)}.py')
    settings = dict(config.test_dataloader.dataset, data_root=root)
    if name in _PARTS:
        settings.update(Config.fromfile(folder / f'{name}.py')[name])
    settings.update(config.get('special_splits', {}).get(split, {}).get('dataset', {}))
    return settings, {step.type: step for step in settings['pipeline']}
