# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Referring-expression data: annotation reading, datasets, the epoch sampler, transforms."""

from magnet_mm.datasets.generalized_dataset import GeneralizedReferringDataset
from magnet_mm.datasets.jsonl_dataset import JsonLinesReferringDataset
from magnet_mm.datasets.mixed_dataset import MixedReferringDataset
from magnet_mm.datasets.referring_dataset import ReferringDataset
from magnet_mm.datasets.samplers import EpochIndex, EpochSampler, ImageSampler, ImageWiseSampler
from magnet_mm.datasets.transforms import (
    LoadReferringImage,
    LoadReferringMask,
    PackReferringInputs,
    TokenizeExpression,
)

__all__ = [
    'EpochIndex',
    'EpochSampler',
    'GeneralizedReferringDataset',
    'ImageSampler',
    'ImageWiseSampler',
    'JsonLinesReferringDataset',
    'LoadReferringImage',
    'LoadReferringMask',
    'MixedReferringDataset',
    'PackReferringInputs',
    'ReferringDataset',
    'TokenizeExpression',
]
