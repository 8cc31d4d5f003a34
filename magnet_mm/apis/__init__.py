# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Inference in Python: images and sentences in, masks out."""

from magnet_mm.apis.config_files import find_config, shipped_configs
from magnet_mm.apis.referring_inferencer import ReferringSegInferencer
from magnet_mm.apis.results import ReferringResult
from magnet_mm.sharing import sample_picture

__all__ = [
    'ReferringResult',
    'ReferringSegInferencer',
    'find_config',
    'sample_picture',
    'shipped_configs',
]
