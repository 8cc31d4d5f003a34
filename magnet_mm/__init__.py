# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Referring image segmentation for OpenMMLab.

Importing the package registers every component into mmseg's registries; a config does that with
``custom_imports = dict(imports=['magnet_mm'], allow_failed_imports=False)``.
"""

from magnet_mm import mmcv_operators  # noqa: F401  isort: skip  (before anything imports mmcv.ops)
from magnet_mm import datasets, engine, evaluation, mmseg_entries, models, visualization
from magnet_mm.renamed import register_old_names
from magnet_mm.version import __version__

register_old_names()

__all__ = [
    '__version__',
    'datasets',
    'engine',
    'evaluation',
    'mmseg_entries',
    'models',
    'visualization',
]
