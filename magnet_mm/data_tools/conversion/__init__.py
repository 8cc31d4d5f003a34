# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Converts between JSON lines, the RefCOCO files, and what annotation programs write."""

from magnet_mm.data_tools.conversion.coco_to_jsonl import coco_to_jsonl
from magnet_mm.data_tools.conversion.jsonl_to_refcoco import jsonl_to_refcoco
from magnet_mm.data_tools.conversion.labelme_to_jsonl import labelme_to_jsonl
from magnet_mm.data_tools.conversion.masks_to_jsonl import masks_to_jsonl
from magnet_mm.data_tools.conversion.refcoco_to_jsonl import refcoco_to_jsonl

__all__ = [
    'coco_to_jsonl',
    'jsonl_to_refcoco',
    'labelme_to_jsonl',
    'masks_to_jsonl',
    'refcoco_to_jsonl',
]
