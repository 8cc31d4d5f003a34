# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CoupAlign's stage: word-pixel alignment, gated residuals (docs/methods/coupalign.md)."""

from __future__ import annotations

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.models.fusion.word_pixel_alignment import WordPixelAlignment
from magnet_mm.models.layers.pwam import LanguageGate
from magnet_mm.structures import FusionOutput, TextFeatures


@MODELS.register_module()
class CoupAlignFusion(BaseModule):
    """Two-way fusion with a shared affinity; both directions read the pre-fusion features.

    ``F, G = WPA(V, L)``, ``V' = V + gate(F) * F``, ``L' = m (L + gate(G) * G)``; the heads see
    ``LayerNorm(F)``. Not specified by the paper: gates, norms and the parallel update are our
    choice (docs/methods/coupalign.md).

    Args:
        visual_channels: ``C_i``, filled in by the encoder.
        text_channels: ``D``, filled in by the encoder.
        is_last: the last stage feeds no further visual stage and so has no image gate.
        num_heads: attention heads; 1, as LAVT's (our choice).
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
        self.alignment = WordPixelAlignment(visual_channels, text_channels, num_heads)
        # Both gates start closed, so that the pretrained encoders are not disturbed (our choice).
        self.gate = None if is_last else LanguageGate(visual_channels, zero_init=True)
        self.text_gate = LanguageGate(text_channels, zero_init=True)
        self.norm = nn.LayerNorm(visual_channels)

    def text_branch(self) -> list[nn.Module]:
        """Return the modules that update the words; unused where nothing reads the result."""
        return [*self.alignment.word_branch(), self.text_gate]

    def forward(
        self, visual: Tensor, text: TextFeatures, update_words: bool = True
    ) -> FusionOutput:
        """Fuse one stage; see :class:`magnet_mm.structures.FusionOutput` for the shapes.

        Args:
            visual: ``V_i [B, H_i, W_i, C_i]``.
            text: ``L_i [B, T, D]`` and their mask.
            update_words: False skips the text branch where nothing reads its result.
        """
        words, word_mask = text.words, text.mask
        pixels = visual.flatten(1, 2)
        fused, residual = self.alignment(pixels, words, word_mask, update_words)
        if residual is not None:
            mask = word_mask.to(words.dtype).unsqueeze(-1)
            words = (words + self.text_gate(residual) * residual) * mask
        if self.gate is not None:
            pixels = pixels + self.gate(fused) * fused
        return FusionOutput(pixels.view_as(visual), words, self.norm(fused).view_as(visual))
