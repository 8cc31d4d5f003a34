# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The dataset of referring expressions: RefCOCO, RefCOCO+, G-Ref (umd, google) and RefShapes."""

from __future__ import annotations

import logging
import os.path as osp
from collections.abc import Sequence
from typing import Any

from mmengine.dataset import BaseDataset
from mmengine.fileio import join_path
from mmengine.logging import print_log
from mmseg.registry import DATASETS

from magnet_mm.datasets import sentence_sampling as sentences
from magnet_mm.datasets.annotations.refer_annotations import load_records
from magnet_mm.datasets.held_out import (
    HeldOutImages,
    check_entry,
    held_out_images,
    join_root,
    joined_entry,
    real_path,
)
from magnet_mm.datasets.image_sharing import ImageSharingPipeline
from magnet_mm.datasets.samplers import EpochIndex
from magnet_mm.datasets.transforms.loading import LoadReferringMask
from magnet_mm.errors import ConfigError, DataError, add_note
from magnet_mm.text_safety import printable


@DATASETS.register_module()
class ReferringDataset(BaseDataset):
    """Referring expressions in the `refer` file format, in any directory layout.

    A training item is one ref; one of its sentences is drawn in every epoch, as a function of
    (seed, epoch, item, copy), which the indices of `EpochSampler` carry through any wrapper (a
    plain int is epoch 0 of seed 0). A test item is one (ref, sentence); every sentence counts.

    Args:
        ann_file (str): `instances.json`, relative to `data_root` or absolute.
        refs_file (str): `refs(<split_by>).p`, relative to `data_root` or absolute.
        split (str): Split in the refs file. With the suffix `_shuffled` or `_blank` it names
            the control of that split (`val_blank` is `split='val', expressions='blank'`).
        expressions (str): `own`; or a control, for `test_mode` only: `shuffled` (each item gets
            a sentence of another object of its image; items where none exists are left out,
            with one logged count) or `blank` (every sentence empty).
        exclude (Sequence[dict]): Files whose images are removed from this dataset:
            `dict(refs_file=..., splits=[...], data_root=...)`, where `splits` defaults to every
            split but `train` and `data_root` to this dataset's. `refs_file` may be of RefCOCO or
            gRefCOCO, or JSON lines (without splits all of it is held out). Image ids are taken
            for this dataset's, unless `img_path` (its image folder) or `image_collection` say
            that they are of another collection (see `held_out`).
        image_collection (str, optional): Name of the image collection. Defaults to the image
            folder; name it where copies of one collection lie in several folders.
        dataset_name (str): Name in the samples. Defaults to the directory of `refs_file`.
        test_mode (bool): Every sentence in order (True) or one drawn per ref (False).
        per_sentence (bool): A training item is a sentence, too, not a ref (as in the released ReLA,
            CMPC and LSCM).
        **kwargs: `data_root`, `data_prefix=dict(img_path=...)`, `pipeline` and the rest of
            `mmengine.dataset.BaseDataset`.

    Raises:
        ConfigError: `expressions` unknown, contradicting the split's suffix, or in training; an
            entry of `exclude` with other keys.
        DataError: See `refer_annotations.load_records`; on access, an image cannot be read.

    Source: docs/data.md (files) and docs/train_and_evaluate.md (protocol).
    """

    expects_epochs = False  # EpochSampler sets it
    METAINFO = dict(
        classes=('background', 'referred object'),
        palette=[[0, 0, 0], [0, 200, 80]],  # our choice
    )

    def __init__(
        self,
        ann_file: str,
        refs_file: str,
        split: str = 'train',
        expressions: str = 'own',
        exclude: Sequence[dict] = (),
        image_collection: str | None = None,
        dataset_name: str | None = None,
        test_mode: bool = False,
        per_sentence: bool = False,
        **kwargs: Any,
    ) -> None:
        self.refs_file = refs_file
        self.split, self.expressions = _resolve_control(split, expressions)
        if self.expressions != 'own' and not test_mode:
            raise ConfigError(
                f'expressions="{self.expressions}" (split "{split}") is a control for testing. '
                'Set test_mode=True, or train with expressions="own".'
            )
        self.exclude = tuple(exclude)
        for entry in self.exclude:
            check_entry(entry)
        self.image_collection = image_collection
        self.per_sentence = per_sentence or test_mode
        self.dataset_name = dataset_name or osp.basename(osp.dirname(refs_file))
        super().__init__(ann_file=ann_file, test_mode=test_mode, **kwargs)

    @property
    def split_name(self) -> str:
        """The split as samples and tables show it: with the control's suffix, if any."""
        return self.split if self.expressions == 'own' else f'{self.split}_{self.expressions}'

    def _join_prefix(self) -> None:
        """Join `data_root` with the annotation file, the refs files and the image directory."""
        super()._join_prefix()
        self.refs_file = join_root(self.data_root, self.refs_file)
        self.exclude = tuple(
            joined_entry(entry, self.data_root, self.data_prefix['img_path'])
            for entry in self.exclude
        )

    def full_init(self) -> None:
        """Load the annotations, then lets transforms load what workers should share."""
        if self._fully_initialized:
            return
        super().full_init()
        for transform in self.pipeline.transforms:
            if hasattr(transform, 'prepare'):
                transform.prepare()
        self._run = ImageSharingPipeline(self.pipeline.transforms, (LoadReferringMask,))

    def read_records(self) -> list[dict]:
        """One record per ref of the split; other file formats override this."""
        return load_records(self.ann_file, self.refs_file, self.split)

    def load_data_list(self) -> list[dict]:
        """Read the annotation files into one dict per item (`BaseDataset` interface)."""
        records = self.read_records()
        for record in records:
            record['img_path'] = join_path(self.data_prefix['img_path'], record.pop('file_name'))
        records = self._without_excluded(records)
        for record in records:
            record.update(
                dataset_name=self.dataset_name,
                split=self.split_name,
                ann_file=self.ann_file,
                seg_fields=[],
            )
        if not self.per_sentence:
            return records
        items = sentences.sentence_items(records)
        if self.expressions == 'blank':
            return sentences.blank_items(items)
        if self.expressions == 'shuffled':
            return self._shuffled(items)
        return items

    def get_data_info(self, idx: int) -> dict:
        """Return the annotation of one item, its sentence chosen.

        Args:
            idx (int): Index; an `EpochIndex` brings epoch and seed, a plain int means 0 and 0.

        Returns:
            dict: `img_path, image_root, img_id, height, width, segmentation, ref_id, ann_id,
            expression, sent_id, kind, sample_idx, dataset_name, split, ann_file, seg_fields`.
        """
        info = super().get_data_info(int(idx))
        info['image_root'] = self.data_prefix['img_path']
        if self.per_sentence:
            return info
        index = EpochIndex.like(idx, info['sample_idx'])
        choice = sentences.draw_sentence(
            len(info['sentences']), index.seed, index.epoch, int(index), index.position
        )
        return sentences.with_sentence(info, info['sentences'][choice])

    @property
    def draws_sentences(self) -> bool:
        """Whether an item's sentence is another one in another epoch."""
        return not self.per_sentence

    def prepare_data(self, idx: int) -> Any:
        """One item through the pipeline; no other item ever takes the place of a broken one.

        Raises:
            ConfigError: A wrapper lost the epoch that an `EpochSampler` had put into the index.
            DataError: The image cannot be read, or a transform returned None.
        """
        if self.expects_epochs and not isinstance(idx, EpochIndex):
            raise ConfigError(
                f'{self.dataset_name} {self.split}: a wrapper between EpochSampler and this '
                'dataset looks the index up in a list and loses the epoch, so every epoch would '
                'draw the same sentences. Use `indices` of the dataset instead of a Subset, and '
                'RepeatDataset or ConcatDataset instead of other wrappers.'
            )
        info = self.get_data_info(idx)
        where = f'{printable(info["img_path"])} (ref {info["ref_id"]} of {self.refs_file})'
        try:
            data = self._run(info)
        except Exception as error:
            # Transforms write into `info`: without an image, it was the loading that failed.
            if isinstance(error, DataError | ConfigError) or 'img' in info:
                add_note(error, f'while preparing {where}')
                raise
            raise DataError(
                f'{where}: the image cannot be read ({type(error).__name__}: '
                f'{printable(error, 200)}). Check '
                '`data_prefix` and that the file is complete; download it again if it is damaged.'
            ) from error
        if data is None:
            raise DataError(
                f'{where}: a transform of the pipeline returned None. Samples are never skipped '
                'or replaced; correct the sample or the pipeline.'
            )
        return data

    def _collection(self, records: list[dict]) -> str:
        """Where image ids count: the declared collection, or the image folder."""
        return self.image_collection or real_path(osp.join(self.data_prefix['img_path'], ''))

    def _without_excluded(self, records: list[dict]) -> list[dict]:
        """Remove the records on excluded images and logs how many."""
        if not self.exclude:
            return records
        name = f'{self.dataset_name} {self.split}'
        collection, ids, paths = self._collection(records), set(), set()
        for entry in self.exclude:
            held_out = held_out_images(**entry)
            paths |= held_out.paths
            if held_out.collection in (None, collection):
                ids |= held_out.ids
            else:
                self._note_other_collection(records, held_out, entry['refs_file'])
        kept = [
            record
            for record in records
            if record['img_id'] not in ids and real_path(record['img_path']) not in paths
        ]
        print_log(
            f'{name}: {len(records) - len(kept)} of {len(records)} refs removed, their images '
            f'are held out by {len(self.exclude)} refs file(s).',
            logger='current',
        )
        if not kept:
            raise DataError(
                f'{self.refs_file}: every ref of split "{self.split}" is on an excluded image. '
                'Correct `exclude`.'
            )
        return kept

    def _note_other_collection(
        self, records: list[dict], held_out: HeldOutImages, refs_file: str
    ) -> None:
        """Say that equal ids were not taken for equal images."""
        shared = {record['img_id'] for record in records} & held_out.ids
        if shared:
            print_log(
                f'{self.dataset_name} {self.split}: {len(shared)} image ids are also held out by '
                f'{refs_file}, but of another image folder ({held_out.collection}): they are taken '
                'for other images. If both are copies of one collection, give both the same '
                '`image_collection`.',
                logger='current',
                level=logging.WARNING,
            )

    def _shuffled(self, items: list[dict]) -> list[dict]:
        """Apply the `shuffled` control and logs how many items were left out."""
        shuffled, left_out = sentences.shuffle_within_images(items)
        print_log(
            f'{self.dataset_name} {self.split_name}: {left_out} of {len(items)} items left out, '
            'no sentence of another object of their image is free for them.',
            logger='current',
        )
        if not shuffled:
            raise DataError(
                f'{self.refs_file}: no image of split "{self.split}" has two described objects, so '
                'there is nothing to shuffle. Use expressions="own" or "blank".'
            )
        return shuffled


def _resolve_control(split: str, expressions: str) -> tuple[str, str]:
    """Split and expressions, a control's suffix taken off the split's name."""
    if expressions not in sentences.EXPRESSIONS:
        raise ConfigError(
            f'expressions="{expressions}" is unknown; choose one of {sentences.EXPRESSIONS}.'
        )
    base, _, suffix = split.rpartition('_')
    if not base or suffix not in ('shuffled', 'blank'):
        return split, expressions
    if expressions not in ('own', suffix):
        raise ConfigError(
            f'split="{split}" and expressions="{expressions}" contradict each other. Set one.'
        )
    return base, suffix
