# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Tokenizers of referring expressions behind one interface."""

from magnet_mm.datasets.tokenizers.hugging_face import HuggingFaceTokenizer
from magnet_mm.datasets.tokenizers.interface import (
    TOKENIZERS,
    Tokenizer,
    build_tokenizer,
    tokenizer_class,
)
from magnet_mm.datasets.tokenizers.trees import TreeTokenizer
from magnet_mm.datasets.tokenizers.vocabulary_files import resolve_tokenizer_path
from magnet_mm.datasets.tokenizers.words import WordTokenizer

__all__ = [
    'TOKENIZERS',
    'HuggingFaceTokenizer',
    'Tokenizer',
    'TreeTokenizer',
    'WordTokenizer',
    'build_tokenizer',
    'resolve_tokenizer_path',
    'tokenizer_class',
]
