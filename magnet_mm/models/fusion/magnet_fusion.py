# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""MagNet's stage: image PWAM with CAM, and text PWAM (CVPR 2024; docs/methods/magnet.md)."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.models.fusion.cam import CAM
from magnet_mm.models.fusion.text_pwam import TextPWAM
from magnet_mm.models.layers.pwam import PWAM, LanguageGate
from magnet_mm.structures import FusionOutput, TextFeatures


@MODELS.register_module()
class MagNetFusion(BaseModule):
    """Two-way fusion; both directions read the pre-fusion features [C].

    ``R = PWAM(V, L)``, ``V' = V + gate(R) * R``, ``F = CAM(V, R, L)``,
    ``r = TextPWAM(L, V)``, ``L' = L + gate(r) * r``.

    Args:
        visual_channels: ``C_i``, filled in by the encoder.
        text_channels: ``D``, filled in by the encoder.
        is_last: the last stage feeds no further visual stage and so has no image gate.
        pool_sizes: CAM's pyramids [P supp.]; empty leaves CAM out (``F = R``), for ablations.
        text_mask: see :class:`magnet_mm.models.fusion.text_pwam.TextPWAM`.
    """

    def __init__(
        self,
        visual_channels: int,
        text_channels: int,
        is_last: bool,
        pool_sizes: Sequence[int] = (1, 2, 3, 6),
        text_mask: str = 'binary',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.out_channels = visual_channels
        self.pwam = PWAM(visual_channels, text_channels, norm='layer')
        self.gate = None if is_last else LanguageGate(visual_channels, activation='gelu')
        self.alignment = CAM(visual_channels, text_channels, pool_sizes) if pool_sizes else None
        self.text_pwam = TextPWAM(text_channels, visual_channels, text_mask)
        # Starts closed so that pretrained BERT is not disturbed (our choice; released: both
        # linears zero, a gate that cannot open).
        self.text_gate = LanguageGate(text_channels, zero_init=True)

    def text_branch(self) -> list[nn.Module]:
        """Return the modules that update the words; unused where nothing reads the result."""
        return [self.text_pwam, self.text_gate]

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
        fused = self.pwam(pixels, words, word_mask)
        feature = fused.view_as(visual)
        if self.alignment is not None:
            feature = self.alignment(visual, feature, words, word_mask)
        fused_words = words
        if update_words:
            residual = self.text_pwam(words, word_mask, pixels)
            fused_words = words + self.text_gate(residual) * residual
        if self.gate is not None:
            pixels = pixels + self.gate(fused) * fused
        return FusionOutput(pixels.view_as(visual), fused_words, feature)
