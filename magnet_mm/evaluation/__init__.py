# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Scoring of referring segmentation and the per-item result files."""

from .bootstrap import interval, resampled_scores
from .generalized_metric import GeneralizedReferringMetric
from .generalized_scores import score_generalized_items
from .paired_items import PairedItems, pair_items
from .referring_metric import ReferringMetric
from .results_io import (
    Item,
    decode_mask,
    encode_mask,
    item_key,
    items_file,
    read_items,
    write_items,
)
from .scores import count_pixels, item_iou, score_items

__all__ = [
    'GeneralizedReferringMetric',
    'Item',
    'PairedItems',
    'ReferringMetric',
    'count_pixels',
    'decode_mask',
    'encode_mask',
    'interval',
    'item_iou',
    'item_key',
    'items_file',
    'pair_items',
    'read_items',
    'resampled_scores',
    'score_generalized_items',
    'score_items',
    'write_items',
]
