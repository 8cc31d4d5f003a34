# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Scoring of referring segmentation and the per-item result files."""

from .generalized_metric import GeneralizedReferringMetric
from .generalized_scores import score_generalized_items
from .referring_metric import ReferringMetric
from .results_io import decode_mask, encode_mask, item_key, items_file, read_items, write_items
from .scores import count_pixels, item_iou, score_items

__all__ = [
    'GeneralizedReferringMetric',
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
