# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CoupAlign's head: mask generator, pixel decoder, sentence-mask alignment.

Source: docs/methods/coupalign.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from mmseg.registry import MODELS
from torch import nn

from magnet_mm.models.decode_heads.mask_generator import MaskGenerator
from magnet_mm.models.decode_heads.top_down_head import TopDownHead
from magnet_mm.structures import CrossModalFeatures, Prediction


@MODELS.register_module()
class CoupAlignHead(TopDownHead):
    """N masks are generated, the sentence weighs them, and their sum is the prediction.

    Without mask generator and alignment (``N = 0`` in the paper's table 3) what remains is
    :class:`LAVTHead`; use that one. Only the final mask is supervised: no other object is annotated
    (our choice).

    Args:
        in_channels: channels of ``F_1..F_4``, filled in by the segmentor.
        text_channels: ``D``, filled in by the segmentor.
        mask_generator: arguments of :class:`MaskGenerator`, without the widths.
        alignment: config of :class:`SentenceMaskAlignment` (reading A) or
            :class:`SentencePixelAggregation` (reading B), without the widths.
        embed_channels: width ``E`` of mask embeddings and pixel embedding; 256 (our choice).
        sentence: ``cls``, the first token after the last fusion, or ``mean`` (our choice: ``cls``).
        channels: width of the decoder; see :class:`TopDownHead`, also for the rest.
        loss_decode: see :class:`TopDownHead`.
        norm_cfg: see :class:`TopDownHead`.
    """

    derived_arguments = ('text_channels',)

    def __init__(
        self,
        in_channels: Sequence[int],
        text_channels: int,
        mask_generator: dict,
        alignment: dict,
        embed_channels: int = 256,
        sentence: str = 'cls',
        channels: int | None = None,
        loss_decode: dict | Sequence[dict] | None = None,
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__(in_channels, channels, loss_decode, norm_cfg)
        del self.conv_seg  # the alignment makes the logits
        self.sentence = sentence
        self.pixel_channels = embed_channels
        self.pixel_project = nn.Conv2d(self.channels, embed_channels, 1)
        self.mask_generator = MaskGenerator(
            in_channels[-1], channels=embed_channels, **mask_generator
        )
        self.alignment = MODELS.build(
            dict(alignment, channels=embed_channels, text_channels=text_channels)
        )

    def forward(self, features: CrossModalFeatures) -> Prediction:
        """Logits ``[B, 2, H/4, W/4]``.

        Leaves ``Y [B, E, H/4, W/4]`` in ``features.pixel_embedding`` for the auxiliary heads.
        """
        features.pixel_embedding = self.pixel_project(self.levels(features.visual))
        queries = self.mask_generator(features.visual[-1])
        logits = self.alignment(queries, features.pixel_embedding, features.sentence(self.sentence))
        return Prediction(logits)
