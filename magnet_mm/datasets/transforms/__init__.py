# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Transforms of referring samples: the mask, the tokens, packing into `SegDataSample`."""

from magnet_mm.datasets.transforms.formatting import PackReferringInputs
from magnet_mm.datasets.transforms.loading import LoadReferringMask
from magnet_mm.datasets.transforms.tokenizing import TokenizeExpression, resolve_tokenizer_path

__all__ = [
    'LoadReferringMask',
    'PackReferringInputs',
    'TokenizeExpression',
    'resolve_tokenizer_path',
]
