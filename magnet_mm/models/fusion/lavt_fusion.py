# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""LAVT's stage: PWAM, then a gated residual (LAVT, CVPR 2022, fig. 2)."""

from __future__ import annotations

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.models.layers.pwam import PWAM, LanguageGate
from magnet_mm.structures import FusionOutput, TextFeatures


@MODELS.register_module()
class LAVTFusion(BaseModule):
    """One-way fusion: words reach the pixels, the words stay as they are.

    ``F = PWAM(V, L)``, ``V' = V + gate(F) * F``; the heads see ``LayerNorm(F)`` [C].

    Args:
        visual_channels: ``C_i``, filled in by the encoder.
        text_channels: ``D``, filled in by the encoder.
        is_last: the last stage feeds no further stage and so has no gate (released LAVT carries
            one there without effect).
        num_heads: attention heads, 1 per stage [C].
    """

    def __init__(
        self,
        visual_channels: int,
        text_channels: int,
        is_last: bool,
        num_heads: int = 1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.out_channels = visual_channels
        self.pwam = PWAM(visual_channels, text_channels, num_heads, norm='instance')
        self.gate = None if is_last else LanguageGate(visual_channels)
        self.norm = nn.LayerNorm(visual_channels)

    def text_branch(self) -> list[nn.Module]:
        """Return the modules that update the words: none."""
        return []

    def forward(
        self, visual: Tensor, text: TextFeatures, update_words: bool = True
    ) -> FusionOutput:
        """Fuse one stage; see :class:`magnet_mm.structures.FusionOutput` for the shapes."""
        pixels = visual.flatten(1, 2)
        fused = self.pwam(pixels, text.words, text.mask)
        if self.gate is not None:
            pixels = pixels + self.gate(fused) * fused
        return FusionOutput(pixels.view_as(visual), text.words, self.norm(fused).view_as(visual))
