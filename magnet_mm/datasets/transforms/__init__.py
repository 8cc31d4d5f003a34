# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Transforms of referring samples: image, mask, tokens, and packing into `SegDataSample`."""

from magnet_mm.datasets.tokenizers import resolve_tokenizer_path
from magnet_mm.datasets.transforms.formatting import PackReferringInputs
from magnet_mm.datasets.transforms.letterbox import Letterbox
from magnet_mm.datasets.transforms.loading import LoadReferringImage, LoadReferringMask
from magnet_mm.datasets.transforms.tokenizing import TokenizeExpression

__all__ = [
    'Letterbox',
    'LoadReferringImage',
    'LoadReferringMask',
    'PackReferringInputs',
    'TokenizeExpression',
    'resolve_tokenizer_path',
]
