# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The metric of the Runner: pixel counts per (ref, sentence) item, gathered exactly, then scored.

Source: the evaluation of LAVT (Yang et al., CVPR 2022) and MagNet (Chng et al., CVPR 2024), which
score at the network's input resolution, 480x480. Shapes: ``C`` logit channels, ``H``, ``W`` pixels.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import torch
from mmengine.dist import get_world_size
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmseg.registry import METRICS
from torch import Tensor

from magnet_mm.datasets.annotations.checks import check_kind
from magnet_mm.errors import ConfigError, DataError
from magnet_mm.evaluation.boundary_iou import count_boundary_pixels, score_boundaries
from magnet_mm.evaluation.geometry import original_foreground
from magnet_mm.evaluation.released_rules import RELEASED_RULES
from magnet_mm.evaluation.results_io import (
    Item,
    ItemKey,
    decode_mask,
    encode_mask,
    item_key,
    items_file,
    write_items,
)
from magnet_mm.evaluation.score_record import AS_PREDICTED
from magnet_mm.evaluation.scores import STANDARD, count_pixels, score_items
from magnet_mm.text_safety import printable

RESOLUTIONS = ('input', 'original')


@METRICS.register_module()
class ReferringMetric(BaseMetric):
    """oIoU, mIoU and P@0.5 to P@0.9 of predicted masks, in percent, see :func:`score_items`.

    In a distributed run the sampler's padding is dropped by the items' identity, so the result
    equals that of a single process digit for digit.

    Args:
        resolution: ``'input'`` compares ``pred_sem_seg`` with ``gt_sem_seg`` at the network's input
            resolution (the published LAVT and MagNet numbers); ``'original'`` resizes
            the foreground logits to ``ori_shape`` (bilinear: our choice;
            :func:`magnet_mm.evaluation.geometry.to_original`), makes the mask there and compares it
            with ``gt_rle``.
        output_dir: directory for the per-item results with masks, one
            ``items_<dataset>_<split>.jsonl`` per split (see ``results_io``). mmseg's
            ``tools/test.py`` sets it from ``--out``. ``None`` writes nothing.
        rule: ``'standard'``, or the name of a released test code that is to be repeated, such as
            ``'vlt'`` (:mod:`magnet_mm.evaluation.released_rules`); its resolution then counts.
        boundary: Boundary IoU beside the others (:mod:`magnet_mm.evaluation.boundary_iou`), for
            evaluations: it needs about a millisecond per mask of 480x480.
        keep_results: keep the scored items in ``self.items`` after ``evaluate`` (main process).
        collect_device: see mmengine's ``BaseMetric``.
        collect_dir: see mmengine's ``BaseMetric``.
        prefix: see mmengine's ``BaseMetric``; without it the keys have no prefix.

    Raises:
        ConfigError: for another ``resolution`` or ``rule``.
    """

    #: What ``count`` counts; fields of the items.
    counted = ('intersection', 'union')

    def __init__(
        self,
        resolution: str = 'input',
        output_dir: str | os.PathLike[str] | None = None,
        rule: str = 'standard',
        boundary: bool = False,
        keep_results: bool = False,
        collect_device: str = 'cpu',
        collect_dir: str | None = None,
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        if resolution not in RESOLUTIONS:
            raise ConfigError(
                f'ReferringMetric: resolution should be one of {RESOLUTIONS}, got {resolution!r}'
            )
        if rule not in ('standard', *RELEASED_RULES):
            raise ConfigError(
                f"ReferringMetric: rule is 'standard' or one of {', '.join(RELEASED_RULES)}, not "
                f'{rule!r}'
            )
        self.rule = rule
        self._released = RELEASED_RULES.get(rule)
        self.resolution = resolution if self._released is None else self._released.resolution
        self._scoring = STANDARD if self._released is None else self._released.scoring
        self.output_dir = output_dir
        self.boundary = boundary
        self.keep_results = keep_results
        self.items: list[Item] = []
        self._size = 0
        self._mask_sizes: set[tuple[int, ...]] = set()

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count the pixels of one batch and keep one record per sample.

        Args:
            data_batch: not used.
            data_samples: predicted data samples as dicts (mmengine's ``Evaluator`` converts them).

        Raises:
            DataError: if a sample lacks a field, shapes disagree, a mask is not 0/1, or logits are
                not finite. The message names the sample.
        """
        if not self.results:
            self._mask_sizes.clear()
        masks = [self._masks(sample) for sample in data_samples]
        counts = [self.count(prediction, ground_truth) for prediction, ground_truth in masks]
        for sample, (prediction, ground_truth), count in zip(
            data_samples, masks, torch.stack(counts).tolist(), strict=True
        ):
            item = {
                'dataset_name': sample['dataset_name'],
                'split': sample['split'],
                'ref_id': int(sample['ref_id']),
                'sent_id': int(sample['sent_id']),
                'expression': sample['expression'],
                'kind': sample.get('kind'),
                **dict(zip(self.counted, count, strict=True)),
            }
            self.complete_item(item, sample)
            if self.boundary:
                item.update(
                    count_boundary_pixels(prediction.cpu().numpy(), ground_truth.cpu().numpy())
                )
            if self.output_dir is not None:
                item['iou'] = self.item_iou(item)
                item['prediction'] = encode_mask(prediction.cpu().numpy())
                if self.resolution == 'input' and 'letterbox' in sample:
                    item['letterbox'] = [int(side) for side in sample['letterbox']]
            self._mask_sizes.add(tuple(prediction.shape))
            self.results.append(item)

    def count(self, prediction: Tensor, ground_truth: Tensor) -> Tensor:
        """Pixel counts of two bool masks [H, W] in the order of ``counted``, int64."""
        return count_pixels(prediction, ground_truth)

    def complete_item(self, item: Item, sample: dict) -> None:
        """Correct the record of a sample, in place, or add what a subclass scores by."""
        if self.rule == 'rela' and sample.get('pred_no_target', False):
            item['intersection'] = 0  # the ignored mask stays in the union
            item['predicted_no_target'] = True

    def item_iou(self, item: Item) -> float:
        """IoU of one item, 0 to 1, as the per-item file states it."""
        return self._scoring.iou(item)

    def score(self, items: Sequence[Item]) -> dict[str, float]:
        """Scores of all items, in percent."""
        return score_items(items, self._scoring)

    def protocol(self) -> dict[str, Any]:
        """Say what was measured in the last evaluation, see ``score_record``."""
        sizes = self._mask_sizes if self.resolution == 'input' else ()
        return dict(
            metric=type(self).__name__,
            per='sentence',
            rule=self.rule,
            resolution=self.resolution,
            input_size=list(*sizes) if len(sizes) == 1 else None,
            masks=AS_PREDICTED,
        )

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather the items of all processes and score them.

        Args:
            size: number of items in the dataset.

        Returns:
            Scores in percent, the same on every process.

        Raises:
            DataError: if the gathered items are not exactly ``size`` different ones.
        """
        self._size = size
        try:
            # BaseMetric cuts the gathered list at `size` by position; the padding is dropped by
            # identity in `compute_metrics` instead, so nothing may be cut before.
            return super().evaluate(size=sys.maxsize)
        finally:
            self.results.clear()

    def compute_metrics(self, results: list[Item]) -> dict[str, float]:
        """Drop the padding, write the per-item file if asked, and score (main process only)."""
        items = _unique_items(results, self._size, get_world_size())
        by_split: dict[tuple[str, str], list[Item]] = {}
        for item in items:
            by_split.setdefault((item['dataset_name'], item['split']), []).append(item)
        name = type(self).__name__
        rule = '' if self._released is None else f', as the released code of {self.rule} does'
        for (dataset_name, split), members in by_split.items():
            print_log(
                f'{name}: {len(members)} items of {dataset_name}, split {split}, scored '
                f'at {self.resolution} resolution{rule}',
                logger='current',
            )
            if self.output_dir is not None:
                path = items_file(self.output_dir, dataset_name, split)
                write_items(path, members)
                print_log(f'{name}: per-item results are in {path}', logger='current')
        self.items = items if self.keep_results else []
        return {**self.score(items), **(score_boundaries(items) if self.boundary else {})}

    def _masks(self, sample: dict) -> tuple[Tensor, Tensor]:
        """Predicted and true mask of a sample, bool [H, W] each, on the prediction's device."""
        name = _sample_name(sample)
        logits = sample['seg_logits']['data'] if 'seg_logits' in sample else None
        if logits is not None and not torch.isfinite(logits).all():
            raise DataError(
                f'the logits of {name} hold NaN or infinity: the training has diverged or half '
                'precision overflowed; test an earlier checkpoint or without --amp'
            )
        original = self.resolution == 'original'
        if self._released is not None:
            prediction = self._released.mask(sample)
        elif original:
            prediction = _original_prediction(logits, sample, name)
        else:
            prediction = _binary_mask(sample, 'pred_sem_seg', name)
        if original:
            ground_truth = _original_ground_truth(sample, name).to(prediction.device)
        else:
            ground_truth = _binary_mask(sample, 'gt_sem_seg', name).to(prediction.device)
        if prediction.shape != ground_truth.shape:
            raise DataError(
                f'{name}: the predicted mask is {tuple(prediction.shape)}, the ground truth '
                f'{tuple(ground_truth.shape)}; at {self.resolution} resolution they must agree: '
                "check the pipeline's Resize and the segmentor's postprocess_result"
            )
        return prediction, ground_truth


def _sample_name(sample: dict) -> str:
    missing = [
        key
        for key in ('dataset_name', 'split', 'ref_id', 'sent_id', 'expression')
        if key not in sample
    ]
    if missing:
        raise DataError(
            f'the data sample of {sample.get("img_path", "an image")} lacks {missing}: end the '
            'test pipeline with PackReferringInputs'
        )
    name = (
        f'{printable(sample["dataset_name"], 80)} {printable(sample["split"], 80)} ref_id '
        f'{sample["ref_id"]}, sent_id {sample["sent_id"]} '
        f'({printable(sample.get("img_path", "no img_path"), 200)})'
    )
    for key, kind in (('ref_id', Integral), ('sent_id', Integral), ('expression', str)):
        if not isinstance(sample[key], kind):
            raise DataError(
                f'{key} of {name} is {type(sample[key]).__name__}, not {kind.__name__}; check the '
                'dataset'
            )
    check_kind(sample.get('kind'), f'kind of {name}')
    return name


def _binary_mask(sample: dict, field: str, name: str) -> Tensor:
    if field not in sample:
        raise DataError(f"{name} has no {field}; resolution='input' compares it")
    data = sample[field]['data'].squeeze(0)
    if data.ndim != 2 or not ((data == 0) | (data == 1)).all():
        raise DataError(
            f'{field} of {name} should be [1, H, W] of 0 and 1, got {tuple(data.shape)} with '
            f'values {torch.unique(data)[:5].tolist()}'
        )
    return data.bool()


def _original_prediction(logits: Tensor | None, sample: dict, name: str) -> Tensor:
    """Make the mask at the original image's size, as the inferencer gives it."""
    if logits is None:
        raise DataError(f"{name} has no seg_logits; resolution='original' needs them")
    try:
        original, rule = original_foreground(logits, sample)
    except (ConfigError, DataError) as error:
        raise DataError(f'{name}: {error}') from error
    return rule.mask(original) & (not sample.get('pred_no_target', False))


def _original_ground_truth(sample: dict, name: str) -> Tensor:
    if 'gt_rle' not in sample:
        raise DataError(f"{name} has no gt_rle; resolution='original' needs it")
    try:
        return torch.from_numpy(decode_mask(sample['gt_rle'])).bool()
    except DataError as error:
        raise DataError(f'{name}: gt_rle is {error}') from error


def _unique_items(results: Sequence[Item], size: int, world_size: int) -> list[Item]:
    """Return the ``size`` different items among ``results``, sorted by key.

    Padding stands behind the real items, so the first of two items with one key is kept. The same
    item seen by two processes may differ in a few pixels (kernels that depend on the batch,
    BatchNorm statistics per process): that is warned of, not hidden.
    """
    unique: dict[ItemKey, Item] = {}
    differing = []
    for item in results:
        first = unique.setdefault(item_key(item), item)
        if (first['expression'], first['kind']) != (item['expression'], item['kind']):
            raise DataError(
                f'two different items have the key {item_key(item)}: '
                f"'{printable(first['expression'], 80)}' and "
                f"'{printable(item['expression'], 80)}'; (ref_id, sent_id) must be unique in a "
                'split'
            )
        if (first['intersection'], first['union']) != (item['intersection'], item['union']):
            differing.append(item_key(item))
    repeated = len(results) - len(unique)
    # a sampler pads by less than one item per process
    if len(unique) != size or repeated >= world_size:
        raise DataError(
            f'the dataset has {size} items, but {len(results)} were scored on {world_size} '
            f'process(es), {len(unique)} of them different; each (dataset_name, split, ref_id, '
            'sent_id) must occur once: check the sampler, and the refs file for repeated sentences'
        )
    if differing:
        print_log(
            f'ReferringMetric: {len(differing)} padded item(s) got another mask on another '
            f'process, first {differing[0]}; the unpadded one is scored. Do the processes hold '
            'different BatchNorm statistics (SyncBuffersHook)?',
            logger='current',
            level=logging.WARNING,
        )
    return sorted(unique.values(), key=item_key)
