# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Converts between JSON lines, the RefCOCO files, and COCO instances with sentences."""

from magnet_mm.datasets.conversion.coco_to_jsonl import coco_to_jsonl
from magnet_mm.datasets.conversion.jsonl_to_refcoco import jsonl_to_refcoco
from magnet_mm.datasets.conversion.refcoco_to_jsonl import refcoco_to_jsonl

__all__ = ['coco_to_jsonl', 'jsonl_to_refcoco', 'refcoco_to_jsonl']
