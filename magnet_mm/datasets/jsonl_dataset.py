# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The dataset of own data in JSON lines."""

from __future__ import annotations

import os.path as osp
from typing import Any

from mmseg.registry import DATASETS

from magnet_mm.datasets.annotations.jsonl_annotations import (
    path_inside,
    read_jsonl,
    select_jsonl_split,
)
from magnet_mm.datasets.held_out import common_folder
from magnet_mm.datasets.referring_dataset import ReferringDataset


@DATASETS.register_module()
class JsonLinesReferringDataset(ReferringDataset):
    """Referring expressions in JSON lines, see `jsonl_annotations` for the format.

    Sentences are drawn, and controls made, as in :class:`ReferringDataset`; a training item is
    one line.

    Args:
        ann_file (str): The JSON-lines file, relative to `data_root` or absolute.
        split (str): Lines of this split; every line where the file has no splits. The suffixes
            `_shuffled` and `_blank` name the controls.
        dataset_name (str): Name in the samples. Defaults to the name of `data_root`.
        **kwargs: As in :class:`ReferringDataset`. `data_prefix=dict(img_path=..., mask_path=...)`
            are the folders of images and mask PNGs; both default to `data_root`. No path in the
            file may lead out of them.

    Raises:
        DataError: See `jsonl_annotations.read_jsonl`.
    """

    def __init__(
        self,
        ann_file: str,
        split: str = 'train',
        dataset_name: str | None = None,
        data_prefix: dict | None = None,
        **kwargs: Any,
    ) -> None:
        root = kwargs.get('data_root') or osp.dirname(ann_file)
        super().__init__(
            ann_file=ann_file,
            refs_file=ann_file,
            split=split,
            dataset_name=dataset_name or osp.basename(osp.abspath(root)),
            data_prefix={'img_path': '', 'mask_path': '', **(data_prefix or {})},
            **kwargs,
        )

    def read_records(self) -> list[dict]:
        """Read the lines of the split."""
        records = read_jsonl(self.ann_file, self.data_prefix['mask_path'])
        records = select_jsonl_split(records, self.split, self.ann_file)
        images = self.data_prefix['img_path']
        for name in {record['file_name'] for record in records}:
            path_inside(images, name, f'{self.ann_file}: "image"')
        return records

    def _collection(self, records: list[dict]) -> str:
        """Where image ids count: the declared collection, or the folder of all images."""
        return self.image_collection or common_folder(record['img_path'] for record in records)
