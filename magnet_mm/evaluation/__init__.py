# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Scoring of referring segmentation and the per-item result files."""

from magnet_mm.evaluation.generalized_metric import GeneralizedReferringMetric
from magnet_mm.evaluation.generalized_scores import score_generalized_items
from magnet_mm.evaluation.no_target_threshold import NoTargetThresholdMetric
from magnet_mm.evaluation.pair_metric import PairReferringMetric
from magnet_mm.evaluation.referring_metric import ReferringMetric
from magnet_mm.evaluation.results_io import (
    Item,
    decode_mask,
    encode_mask,
    item_key,
    items_file,
    read_items,
    write_items,
)
from magnet_mm.evaluation.scores import count_pixels, item_iou, score_items

__all__ = [
    'GeneralizedReferringMetric',
    'Item',
    'NoTargetThresholdMetric',
    'PairReferringMetric',
    'ReferringMetric',
    'count_pixels',
    'decode_mask',
    'encode_mask',
    'item_iou',
    'item_key',
    'items_file',
    'read_items',
    'score_generalized_items',
    'score_items',
    'write_items',
]
