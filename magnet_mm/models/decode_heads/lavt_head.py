# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""LAVT's light decoder (LAVT, CVPR 2022, sec. 3.4; docs/methods/lavt.md)."""

from __future__ import annotations

from mmseg.registry import MODELS

from magnet_mm.models.decode_heads.top_down_head import TopDownHead
from magnet_mm.structures import CrossModalFeatures, Prediction


@MODELS.register_module()
class LAVTHead(TopDownHead):
    """Top-down decoder and a 1x1 convolution to two classes at stride 4.

    See :class:`magnet_mm.models.decode_heads.top_down_head.TopDownHead` for the arguments.
    """

    uses_words = False

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.pixel_channels = self.channels

    def forward(self, features: CrossModalFeatures) -> Prediction:
        """Logits ``[B, 2, H/4, W/4]``.

        Leaves the last map ``[B, channels, H/4, W/4]`` in ``features.pixel_embedding`` for the
        auxiliary heads.
        """
        features.pixel_embedding = self.levels(features.visual)
        return Prediction(self.cls_seg(features.pixel_embedding))
