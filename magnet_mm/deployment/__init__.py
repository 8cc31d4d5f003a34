# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Exports a trained model as one tensor function, with all that its users need beside it."""

from magnet_mm.deployment.export import ExportedFiles, export_checkpoint, largest_difference
from magnet_mm.deployment.formats import FORMATS, ExportFormat
from magnet_mm.deployment.metadata import ExportMetadata
from magnet_mm.deployment.network import LogitsNetwork, load_network
from magnet_mm.deployment.quantization import quantize_int8
from magnet_mm.deployment.split import SplitFiles, export_split, load_split

__all__ = [
    'FORMATS',
    'ExportFormat',
    'ExportMetadata',
    'ExportedFiles',
    'LogitsNetwork',
    'SplitFiles',
    'export_checkpoint',
    'export_split',
    'largest_difference',
    'load_network',
    'load_split',
    'quantize_int8',
]
