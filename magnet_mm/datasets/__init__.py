# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Referring-expression data: annotation reading, datasets, the visit sampler, transforms."""

from magnet_mm.datasets.mixed_dataset import MixedReferringDataset
from magnet_mm.datasets.referring_dataset import ReferringDataset
from magnet_mm.datasets.samplers import VisitIndex, VisitSampler
from magnet_mm.datasets.transforms import (
    LoadReferringImage,
    LoadReferringMask,
    PackReferringInputs,
    TokenizeExpression,
)

__all__ = [
    'LoadReferringImage',
    'LoadReferringMask',
    'MixedReferringDataset',
    'PackReferringInputs',
    'ReferringDataset',
    'TokenizeExpression',
    'VisitIndex',
    'VisitSampler',
]
