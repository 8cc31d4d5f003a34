# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The encoder of every method: visual stages x text stages x a fusion module per stage."""

from __future__ import annotations

from mmengine.model import BaseModule, ModuleList
from mmseg.registry import MODELS
from torch import Tensor

from magnet_mm.errors import ConfigError
from magnet_mm.structures import CrossModalFeatures


@MODELS.register_module()
class CrossModalEncoder(BaseModule):
    """Runs image and sentence side by side and fuses them after every stage.

    A backbone that cannot be opened between its stages (``stagewise = False``) runs through first;
    then its finished maps are fused, from fine to coarse, and none feeds a further stage.

    Args:
        visual: config of a stage-wise visual backbone (``channels``, ``embed``, ``stage``,
            ``downsample``; see :mod:`magnet_mm.models.visual.stagewise_swin`).
        text: config of a stage-wise text encoder (``channels``, ``embed``, ``additive_mask``,
            ``stage``, ``word_embedding``).
        fusion: config of one fusion module; it is built once per stage, with
            ``visual_channels``, ``text_channels`` and ``is_last`` filled in.

    Raises:
        ConfigError: when the text encoder has not one group of layers per visual stage.
    """

    def __init__(
        self, visual: dict, text: dict, fusion: dict, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.visual = MODELS.build(visual)
        self.text = MODELS.build(text)
        last = len(self.visual.channels) - 1
        if len(self.text.groups) != last + 1:
            raise ConfigError(
                f'{visual["type"]} has {last + 1} stages, but text.groups={self.text.groups} has '
                f'{len(self.text.groups)} entries. Give one number of layers per stage.'
            )
        self._fuses_inside = getattr(self.visual, 'stagewise', True)
        self.fusion = ModuleList(
            MODELS.build(
                dict(
                    fusion,
                    visual_channels=channels,
                    text_channels=self.text.channels,
                    is_last=index == last or not self._fuses_inside,
                )
            )
            for index, channels in enumerate(self.visual.channels)
        )

    @property
    def visual_channels(self) -> tuple[int, ...]:
        """Channels of the fused features, fine to coarse."""
        return self.visual.channels

    @property
    def text_channels(self) -> int:
        """Width of the word features."""
        return self.text.channels

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids of the text encoder."""
        return self.text.word_embedding.shape[0]

    def forward(
        self,
        images: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
        final_words: bool = True,
        image_of: Tensor | None = None,
    ) -> CrossModalFeatures:
        """Encode a batch.

        Args:
            images: normalised ``[B, 3, H, W]``.
            input_ids: ``[B, T]`` int64.
            attention_mask: ``[B, T]`` int64, 1 for real tokens.
            final_words: False skips the last stage's update of the words, for heads that do
                not read them.
            image_of: int64 ``[B]``, which of fewer ``images [U, 3, H, W]`` each sentence speaks
                of; up to the first fusion an image is then encoded once, not once per sentence.
                None: one image per sentence.
        """
        stage_input = self.visual.embed(images)
        words = self.text.embed(input_ids)
        additive_mask = self.text.additive_mask(attention_mask)
        last = len(self.fusion) - 1
        features = []
        for index, fusion in enumerate(self.fusion):
            visual = self.visual.stage(index, stage_input)
            if image_of is not None and (index == 0 or not self._fuses_inside):
                visual = visual.index_select(0, image_of)
            words = self.text.stage(index, words, additive_mask)
            visual, words, feature = fusion(
                visual, words, attention_mask, update_words=final_words or index < last
            )
            features.append(feature.permute(0, 3, 1, 2))
            if index < last and self._fuses_inside:
                stage_input = self.visual.downsample(index, visual)
        return CrossModalFeatures(tuple(features), words, attention_mask, self.text.word_embedding)
