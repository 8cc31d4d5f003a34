# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Text encoders that can be run group by group."""

from magnet_mm.models.text.clip_text_encoder import ClipTextEncoder
from magnet_mm.models.text.efn_text import EFNTextEncoder
from magnet_mm.models.text.image_prompted_bert import ImagePromptedBert
from magnet_mm.models.text.stagewise_bert import StagewiseBert
from magnet_mm.models.text.stagewise_text_encoder import StagewiseTextEncoder
from magnet_mm.models.text.vlt_text import VLTText
from magnet_mm.models.text.word_lstm import WordLSTM

__all__ = [
    'WordLSTM',
    'ClipTextEncoder',
    'EFNTextEncoder',
    'ImagePromptedBert',
    'StagewiseBert',
    'StagewiseTextEncoder',
    'VLTText',
]
