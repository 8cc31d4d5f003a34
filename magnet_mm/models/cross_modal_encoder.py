# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The encoder of every method: an image encoder, a text encoder, and what fuses them, per stage.

A text encoder is a module with ``channels`` (width ``D`` of its words), ``sentence_channels`` (None
without a sentence vector of its own), ``vocabulary_size`` (None where it has no vocabulary),
``word_embedding`` (``[vocabulary, E]`` or None), ``stagewise``, ``reads_image`` and
``forward(input_ids, attention_mask, **text) -> TextFeatures``. A stagewise one also runs in
``groups``, one per visual stage: ``embed``, ``additive_mask``, ``stage``. One that ``reads_image``
is given the finished maps, ``visual=(F_1, ...)``, as well; nothing is fused in the encoder then. If
it lists ``visual_channels`` in ``derived_arguments``, it is built with their widths.

A fusion module takes ``(visual [B, H, W, C], text, update_words)``, returns a
:class:`~magnet_mm.structures.FusionOutput`, states its ``out_channels``, and names the modules that
update the words in ``text_branch()``. If it has a method ``after_downsample(visual, text) ->
(visual, words)``, that acts on what the next stage is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mmengine.model import BaseModule, ModuleList
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.config_types import component_class
from magnet_mm.errors import ConfigError
from magnet_mm.structures import CrossModalFeatures, FusionOutput, TextFeatures


class NoFusion(BaseModule):
    """A stage without language: its map goes on, and to the heads, as it is."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_channels = channels

    def text_branch(self) -> list[nn.Module]:
        """Name the modules that update the words: none."""
        return []

    def forward(
        self, visual: Tensor, text: TextFeatures, update_words: bool = True
    ) -> FusionOutput:
        """Hand both on."""
        return FusionOutput(visual, text.words, visual)


@MODELS.register_module()
class CrossModalEncoder(BaseModule):
    """Encodes image and sentence, and fuses them inside, behind, or not at all.

    A stagewise text encoder runs side by side with the image, group by group, where something fuses
    them; any other runs through first. An image encoder that cannot be opened between its stages
    (``stagewise = False``) runs through before the first fusion; then its finished maps are fused,
    from fine to coarse, and none feeds a further stage.

    Args:
        visual: config of a stage-wise visual backbone (``channels``, ``embed``, ``stage``,
            ``downsample``; see :mod:`magnet_mm.models.visual.stagewise_swin`).
        text: config of a text encoder, see this module's text.
        fusion: config of one fusion module, built once per stage; or a list with one config, or
            None, per stage; or None: the heads fuse. ``visual_channels``, ``text_channels`` and
            ``is_last`` are filled in, and what a module lists in ``derived_arguments``: out of
            ``sentence_channels`` and ``next_channels`` (the width of what the next stage is given,
            None where none follows).
        frozen: parts that keep their weights and run as in testing, by name: ``visual``, ``text``,
            ``fusion``, or something inside of them. Their parameters need no gradient from the
            start, which DistributedDataParallel requires.

    Raises:
        ConfigError: when a frozen part does not exist, when a list has not one entry per visual
            stage, when a stagewise text encoder has not one group of layers per visual stage, when
            one that reads the image stands beside fusion modules, or when a module wants a sentence
            vector that the text encoder does not have.
    """

    def __init__(
        self,
        visual: dict,
        text: dict,
        fusion: dict | Sequence[dict | None] | None = None,
        frozen: Sequence[str] = (),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.visual = MODELS.build(visual)
        outputs = getattr(self.visual, 'output_channels', self.visual.channels)
        self.text = MODELS.build(_complete_text(text, outputs))
        stages = len(self.visual.channels)
        fusions = [fusion] * stages if fusion is None or isinstance(fusion, dict) else list(fusion)
        if len(fusions) != stages:
            raise ConfigError(
                f'fusion lists {len(fusions)} modules, but {visual["type"]} has {stages} stages. '
                'Give one entry per stage, None where nothing is fused.'
            )
        self._fuses_inside = getattr(self.visual, 'stagewise', True)
        self._fused = [config is not None for config in fusions]
        if self.text.reads_image and any(self._fused):
            raise ConfigError(
                f'{text["type"]} reads the finished maps of the image, so that nothing can be '
                'fused before. Set fusion=None, or name another text encoder.'
            )
        self._side_by_side = self.text.stagewise and any(self._fused)
        if self._side_by_side and len(self.text.groups) != stages:
            raise ConfigError(
                f'{visual["type"]} has {stages} stages, but text.groups={self.text.groups} has '
                f'{len(self.text.groups)} entries. Give one number of layers per stage.'
            )
        self.fusion = ModuleList(
            NoFusion(channels) if config is None else self._build_fusion(config, index)
            for index, (config, channels) in enumerate(zip(fusions, outputs, strict=True))
        )
        self._frozen = [self._frozen_part(name).requires_grad_(False) for name in frozen]

    def _frozen_part(self, name: str) -> nn.Module:
        try:
            return self.get_submodule(name)
        except AttributeError as error:
            raise ConfigError(
                f'backbone.frozen names {name!r}, which is no part of the encoder; there are '
                'visual, text and fusion.'
            ) from error

    def train(self, mode: bool = True) -> CrossModalEncoder:
        """Train, but for what is frozen: its batch norms keep their statistics, too."""
        super().train(mode)
        for part in self._frozen:
            part.eval()
        return self

    def _build_fusion(self, config: dict, index: int) -> nn.Module:
        wanted = getattr(component_class(MODELS, config), 'derived_arguments', ())
        if 'sentence_channels' in wanted and self.sentence_channels is None:
            raise ConfigError(
                f'{config["type"]} reads a sentence vector, which {type(self.text).__name__} does '
                'not have. Name a text encoder that has one.'
            )
        channels = self.visual.channels
        is_last = index == len(channels) - 1 or not self._fuses_inside
        handed_on = getattr(self.visual, 'downsampled_channels', channels)
        known = dict(
            sentence_channels=self.sentence_channels,
            next_channels=None if is_last else handed_on[index],
        )
        return MODELS.build(
            dict(
                config,
                visual_channels=channels[index],
                text_channels=self.text_channels,
                is_last=is_last,
                **{name: known[name] for name in wanted},
            )
        )

    @property
    def feature_channels(self) -> tuple[int, ...]:
        """Channels of the features ``F_i`` for the heads, fine to coarse."""
        return tuple(fusion.out_channels for fusion in self.fusion)

    @property
    def text_channels(self) -> int:
        """Width ``D`` of the word features."""
        return self.text.channels

    @property
    def sentence_channels(self) -> int | None:
        """Width of the text encoder's own sentence vector; None where it has none."""
        return self.text.sentence_channels

    @property
    def embedding_channels(self) -> int | None:
        """Width ``E`` of the word embedding; None where there is none."""
        embedding = self.text.word_embedding
        return None if embedding is None else embedding.shape[1]

    @property
    def vocabulary_size(self) -> int | None:
        """Number of token ids; None where the text encoder has no vocabulary."""
        return self.text.vocabulary_size

    def freeze_unread(self) -> None:
        """Freeze what updates the words for the last time, where no head reads them."""
        for module in self.fusion[-1].text_branch():
            module.requires_grad_(False)

    def forward(
        self,
        images: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
        final_words: bool = True,
        image_of: Tensor | None = None,
        **text: Tensor,
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
            **text: what else the tokenizer says of the sentences, ``text_* [B, ...]``.
        """
        if self.encodes_images_alone:
            maps = self.encode_images(images)
            return self.read(maps, input_ids, attention_mask, final_words, image_of, **text)
        stage_input = self.visual.embed(images)
        return self._fuse(stage_input, input_ids, attention_mask, final_words, image_of, text)

    @property
    def encodes_images_alone(self) -> bool:
        """Whether the image is encoded without its sentences, which are fused behind or not at all.

        Then :meth:`encode_images` and :meth:`read` make up :meth:`forward`, and one image's maps
        serve all its sentences.
        """
        return not (any(self._fused) and self._fuses_inside)

    def read(
        self,
        maps: Sequence[Tensor],
        input_ids: Tensor,
        attention_mask: Tensor,
        final_words: bool = True,
        image_of: Tensor | None = None,
        **text: Tensor,
    ) -> CrossModalFeatures:
        """Encode sentences beside finished maps ``[U, C_i, H_i, W_i]`` of :meth:`encode_images`.

        Only where :attr:`encodes_images_alone`. The other arguments are those of :meth:`forward`.
        """
        if image_of is not None:
            maps = [feature.index_select(0, image_of) for feature in maps]
        maps = tuple(maps)
        if any(self._fused):
            stage_input = tuple(feature.permute(0, 2, 3, 1) for feature in maps)
            return self._fuse(stage_input, input_ids, attention_mask, final_words, None, text)
        if self.text.reads_image:
            text = dict(text, visual=maps)
        words = self.text(input_ids, attention_mask, **text)
        return CrossModalFeatures(maps, words, self.text.word_embedding)

    def _fuse(
        self,
        stage_input: Tensor | tuple[Tensor, ...],
        input_ids: Tensor,
        attention_mask: Tensor,
        final_words: bool,
        image_of: Tensor | None,
        text: dict[str, Tensor],
    ) -> CrossModalFeatures:
        """Run the stages side by side from the input of stage 0, or over finished maps."""
        if self._side_by_side:
            words = self.text.embed(input_ids)
            additive_mask = self.text.additive_mask(attention_mask)
            state = TextFeatures(words, attention_mask, embeddings=words)
        else:
            state = self.text(input_ids, attention_mask, **text)
        last = len(self.fusion) - 1
        features, extras = [], []
        for index, fusion in enumerate(self.fusion):
            visual = self.visual.stage(index, stage_input)
            if image_of is not None and self._fused[index]:
                # the stages after the first fusion see the sentences' maps
                visual = visual.index_select(0, image_of)
                features = [feature.index_select(0, image_of) for feature in features]
                image_of = None
            if self._side_by_side:
                state = replace(state, words=self.text.stage(index, state.words, additive_mask))
            update = final_words or index < last
            visual, words, feature, extra = fusion(visual, state, update_words=update)
            state = replace(state, words=words)
            features.append(self._feature(index, feature).permute(0, 3, 1, 2))
            extras.append(extra or {})
            if index < last and self._fuses_inside:
                stage_input = self.visual.downsample(index, visual)
                if hasattr(fusion, 'after_downsample'):
                    stage_input, words = fusion.after_downsample(stage_input, state)
                    state = replace(state, words=words)
        return CrossModalFeatures(tuple(features), state, self.text.word_embedding, extras)

    def _feature(self, index: int, feature: Tensor) -> Tensor:
        """Give what the heads see of a stage: the fused feature, or the backbone's own output."""
        if self._fused[index] or not hasattr(self.visual, 'output'):
            return feature
        return self.visual.output(index, feature)

    def encode_images(self, images: Tensor) -> tuple[Tensor, ...]:
        """Encode images ``[B, 3, H, W]`` without language to ``F_i [B, C_i, H_i, W_i]``."""
        stage_input = self.visual.embed(images)
        maps = []
        last = len(self.visual.channels) - 1
        for index in range(last + 1):
            visual = self.visual.stage(index, stage_input)
            maps.append(self._feature(index, visual).permute(0, 3, 1, 2))
            if index < last and self._fuses_inside:
                stage_input = self.visual.downsample(index, visual)
        return tuple(maps)


def _complete_text(text: dict, visual_channels: Sequence[int]) -> dict:
    """Fill in the widths of the maps, for a text encoder that reads the image."""
    wanted = getattr(component_class(MODELS, text), 'derived_arguments', ())
    known = dict(visual_channels=tuple(visual_channels))
    return dict(text, **{name: known[name] for name in wanted})
