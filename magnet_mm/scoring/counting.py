# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Pixel counts of masks as they are, resized, or made by the rule of a released code.

What has its final size is counted on the run lengths; a mask is decoded only to be resized.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pycocotools import mask as coco_mask

from magnet_mm.datasets.annotations.masks import rle_to_mask
from magnet_mm.errors import ConfigError, DataError
from magnet_mm.evaluation.foreground import ForegroundRule
from magnet_mm.evaluation.geometry import to_original
from magnet_mm.evaluation.released_rules import RELEASED_RULES
from magnet_mm.evaluation.results_io import Item
from magnet_mm.scoring.benchmark import Benchmark, BenchmarkItem, Size, resized_mask
from magnet_mm.scoring.predictions import PredictedMask
from magnet_mm.scoring.submission import Submission

Pair = tuple[dict, dict]  # predicted and true mask, RLE of one size


def count_pixels(pairs: Sequence[Pair]) -> np.ndarray:
    """Intersection, union and predicted pixels of pairs of RLE, int64 [N, 3]."""
    # one at a time: with numpy 2, pycocotools takes no list of more than 255
    areas = [
        [coco_mask.area(mask) for mask in (coco_mask.merge(pair, intersect=True), *pair)]
        for pair in pairs
    ]
    intersection, predicted, true = np.array(areas, dtype=np.int64).reshape(-1, 3).T
    return np.stack([intersection, predicted + true - intersection, predicted], axis=1)


def pairs_as_predicted(submission: Submission, benchmark: Benchmark) -> list[Pair]:
    """Masks as they are; at input resolution the true ones are resized as in the pipelines."""
    items = zip(benchmark.items.values(), submission.masks, strict=True)
    if submission.resolution == 'original':
        return [(mask.rle, benchmark.target(item)) for item, mask in items]
    return [
        (mask.rle, benchmark.target_at(item, mask.size, mask.letterbox)) for item, mask in items
    ]


def pairs_resized(submission: Submission, benchmark: Benchmark, size: Size) -> list[Pair]:
    """Masks at the other resolution, by nearest neighbours.

    A model that resizes its logits before the threshold gets other masks, with smoother edges.

    Args:
        submission: Masks at original resolution are resized to ``size``, others to their images.
        benchmark: The items.
        size: Height and width.
    """
    pairs = []
    for item, mask in zip(benchmark.items.values(), submission.masks, strict=True):
        decoded = rle_to_mask(mask.rle)
        if submission.resolution == 'original':
            resized, target = resized_mask(decoded, size), benchmark.target_at(item, size, None)
        else:
            maps = torch.from_numpy(decoded).float()
            original = to_original(maps, _geometry(item, mask), mode='nearest-exact')
            resized, target = original.byte().numpy(), benchmark.target(item)
        pairs.append((coco_mask.encode(np.asfortranarray(resized)), target))
    return pairs


def pairs_by_rule(
    submission: Submission, benchmark: Benchmark, name: str
) -> tuple[str, list[Pair]]:
    """Masks as a released code makes them, and the resolution at which it compares.

    Raises:
        ConfigError: There is no such rule.
        DataError: The masks do not hold what the rule reads; the message says what would.
    """
    if name not in RELEASED_RULES:
        raise ConfigError(f'--rule {name}: there are {", ".join(RELEASED_RULES)}.')
    rule = RELEASED_RULES[name]
    if submission.rule == name:
        return submission.resolution, pairs_as_predicted(submission, benchmark)
    test = f'tools/test.py --cfg-options test_evaluator.rule={name} --out DIR'
    if submission.resolution == 'input' and rule.from_mask:
        pairs = []
        for item, mask in zip(benchmark.items.values(), submission.masks, strict=True):
            made = rule.mask(_sample(item, mask)).byte().numpy()
            target = (
                benchmark.target_at(item, mask.size, mask.letterbox)
                if rule.resolution == 'input'
                else benchmark.target(item)
            )
            pairs.append((coco_mask.encode(np.asfortranarray(made)), target))
        return rule.resolution, pairs
    if submission.resolution == 'input':
        raise DataError(
            f'{submission.path}: the released code of {name} resizes probabilities to the image '
            "and thresholds them there, which a mask at a network's input cannot tell. Write the "
            f"masks by that rule ({test}), or give those that its own code made, at the images' "
            'own size.'
        )
    if submission.rule is not None:
        raise DataError(
            f'{submission.path}: these masks were made by the rule "{submission.rule}" at the '
            f"images' own size; the released code of {name} makes others, which they cannot tell. "
            f'Write them by that rule: {test}.'
        )
    if rule.resolution == 'input':
        raise DataError(
            f"{submission.path}: the released code of {name} compares at the network's input, and "
            "these masks have the images' own size. Give the masks as the network makes them."
        )
    return 'original', pairs_as_predicted(submission, benchmark)  # of that very code


def as_items(submission: Submission, benchmark: Benchmark, pairs: Sequence[Pair]) -> list[Item]:
    """Count the pairs into items as the metrics make them, with ``predicted`` pixels."""
    counts = count_pixels(pairs).tolist()
    return [
        {
            'dataset_name': benchmark.name,
            'split': benchmark.split,
            'ref_id': item.ref_id,
            'sent_id': item.sent_id,
            'expression': item.expression,
            'kind': item.kind,
            'intersection': intersection,
            'union': union,
            'predicted': predicted,
        }
        for item, (intersection, union, predicted) in zip(
            benchmark.items.values(), counts, strict=True
        )
    ]


def _geometry(item: BenchmarkItem, mask: PredictedMask) -> dict[str, Any]:
    boxed = {} if mask.letterbox is None else dict(letterbox=mask.letterbox)
    return dict(img_path=item.img_path, img_shape=mask.size, ori_shape=item.size, **boxed)


def _sample(item: BenchmarkItem, mask: PredictedMask) -> dict[str, Any]:
    """Make a predicted sample of a mask at the input: logits of 1 and -1."""
    decoded = torch.from_numpy(rle_to_mask(mask.rle))[None]
    return dict(
        seg_logits=dict(data=2 * decoded.float() - 1),
        pred_sem_seg=dict(data=decoded),
        foreground=ForegroundRule().as_dict(),
        **_geometry(item, mask),
    )
