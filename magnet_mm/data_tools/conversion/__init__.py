# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Converts between JSON lines, the RefCOCO files, and COCO instances with sentences."""

from magnet_mm.data_tools.conversion.coco_to_jsonl import coco_to_jsonl
from magnet_mm.data_tools.conversion.jsonl_to_refcoco import jsonl_to_refcoco
from magnet_mm.data_tools.conversion.refcoco_to_jsonl import refcoco_to_jsonl

__all__ = ['coco_to_jsonl', 'jsonl_to_refcoco', 'refcoco_to_jsonl']
