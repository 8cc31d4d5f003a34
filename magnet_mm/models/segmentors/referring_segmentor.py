# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The segmentor of every method: mmseg's EncoderDecoder with a sentence beside the image."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import add_prefix
from torch import Tensor, nn

from magnet_mm.config_types import component_class
from magnet_mm.errors import ConfigError
from magnet_mm.evaluation.foreground import ForegroundRule
from magnet_mm.evaluation.geometry import without_padding
from magnet_mm.models.pretrained import complete_weights
from magnet_mm.models.segmentors.last_image import LastImage
from magnet_mm.models.targets import shared_images, stack_special_tokens, stack_text
from magnet_mm.structures import CrossModalFeatures, Prediction


@MODELS.register_module()
class ReferringSegmentor(EncoderDecoder):
    """Composes a cross-modal encoder, one decode head and any number of auxiliary heads.

    The arguments are those of mmseg's ``EncoderDecoder``; ``backbone`` is a
    :class:`CrossModalEncoder`. Channel numbers are not repeated in configs: the decode head is
    given ``in_channels``, and every head the numbers it lists in ``derived_arguments`` (out of
    ``visual_channels``, ``text_channels``, ``sentence_channels``, ``vocabulary_size`` and, for
    auxiliary heads, ``pixel_channels``).

    A decode head returns a :class:`~magnet_mm.structures.Prediction` and states its ``foreground``,
    a :class:`~magnet_mm.evaluation.foreground.ForegroundRule`. An auxiliary head with a method
    ``corrupt_text(input_ids, special_tokens_mask) -> (input_ids, word_targets)`` changes the
    sentence in training, before the text encoder reads it. A head with ``uses_words = False`` does
    not read the words after the last fusion; where no head does, that last update is skipped and
    its weights are frozen (DDP accepts no unused ones).

    Args:
        no_target_head: config of a head that answers "nothing in this picture is meant", in
            training and in testing, for decode heads that do not answer it themselves: its
            ``forward(features)`` gives logits ``[B]`` for ``Prediction.no_target``.
        *args: of mmseg's ``EncoderDecoder``.
        **kwargs: of mmseg's ``EncoderDecoder``.

    Raises:
        ConfigError: for a ``neck``, sliding-window testing, a key in ``train_cfg`` or ``test_cfg``
            that nothing reads, two heads that corrupt the sentence, a ``no_target_head`` beside a
            decode head that answers itself, or a head that asks for what encoder or decode head do
            not have.
    """

    def __init__(self, *args, no_target_head: dict | None = None, **kwargs) -> None:
        if kwargs.get('neck') is not None:
            raise ConfigError('ReferringSegmentor has no neck; the fusion modules stand there.')
        if (kwargs.get('test_cfg') or {}).get('mode', 'whole') != 'whole':
            raise ConfigError(
                "A sentence speaks of the whole image: test_cfg.mode must be 'whole'."
            )
        unread = set(kwargs.get('test_cfg') or {}) - {'mode'} | set(kwargs.get('train_cfg') or {})
        if unread:
            raise ConfigError(
                f'ReferringSegmentor reads test_cfg.mode alone; nothing would read '
                f'{", ".join(sorted(unread))}. Remove it from train_cfg and test_cfg.'
            )
        super().__init__(*args, **kwargs)
        self.no_target_head = self._build_no_target_head(no_target_head)
        self._no_target_threshold: float | None = None
        self._last_image = LastImage()
        self._words_are_read = self._answer_reads_words or any(
            map(_reads_words, self.auxiliary_head)
        )
        if not self._words_are_read:
            self.backbone.freeze_unread()

    fresh = (
        'auxiliary_head',
        'no_target_head',
    )  # a checkpoint without them is complete

    def init_weights(self) -> None:
        """Initialise every part, or load what ``init_cfg`` names, whole.

        Raises:
            CheckpointError: when a file does not have all that the module it is for needs.
        """
        with contextlib.ExitStack() as watch:
            watch.enter_context(complete_weights(self, submodules=False))
            for head in (self.decode_head, *self.auxiliary_head):
                watch.enter_context(complete_weights(head))
            super().init_weights()

    def train(self, mode: bool = True) -> ReferringSegmentor:
        """Switch the mode; weights may change now, so that no encoded image is kept."""
        self._last_image.forget()
        return super().train(mode)

    @property
    def foreground(self) -> ForegroundRule:
        """The decode head's rule, with the no-target threshold that was set."""
        rule = self.decode_head.foreground
        if self._no_target_threshold is None:
            return rule
        return replace(rule, no_target_threshold=self._no_target_threshold)

    def set_no_target_threshold(self, threshold: float | None) -> None:
        """Answer "nothing is meant" above this probability; None is the decode head's own rule.

        Checkpoints carry it, see :mod:`magnet_mm.engine.checkpointing.no_target_threshold`.
        """
        self._no_target_threshold = threshold

    @property
    def _answer_reads_words(self) -> bool:
        """Whether a head that runs in testing reads the words after the last fusion."""
        heads = [self.decode_head, *filter(None, [self.no_target_head])]
        return any(map(_reads_words, heads))

    def _build_no_target_head(self, head: dict | None) -> nn.Module | None:
        if head is None:
            return None
        if getattr(self.decode_head, 'answers_no_target', False):
            raise ConfigError(
                f'{type(self.decode_head).__name__} answers itself whether nothing is meant; '
                'remove no_target_head.'
            )
        return MODELS.build(self._complete(head))

    def _init_decode_head(self, decode_head: dict) -> None:
        super()._init_decode_head(
            dict(self._complete(decode_head), in_channels=list(self.backbone.feature_channels))
        )

    def _init_auxiliary_head(self, auxiliary_head: list[dict] | dict | None) -> None:
        if isinstance(auxiliary_head, dict):
            auxiliary_head = [auxiliary_head]
        super()._init_auxiliary_head([self._complete(head) for head in auxiliary_head or []])
        self._corrupting_heads = [
            head for head in self.auxiliary_head if hasattr(head, 'corrupt_text')
        ]
        if len(self._corrupting_heads) > 1:
            raise ConfigError(
                'Only one auxiliary head may corrupt the sentence; remove the others.'
            )

    def _complete(self, head: dict) -> dict:
        """Fill the channel numbers that a head asks for into its config."""
        known = dict(
            visual_channels=self.backbone.feature_channels,
            text_channels=self.backbone.text_channels,
            sentence_channels=self.backbone.sentence_channels,
            vocabulary_size=self.backbone.vocabulary_size,
            pixel_channels=getattr(getattr(self, 'decode_head', None), 'pixel_channels', None),
        )
        wanted = getattr(component_class(MODELS, head), 'derived_arguments', ())
        for name in wanted:
            if known[name] is None:
                raise ConfigError(
                    f'{head["type"]} needs {name}, which {self._owner_of(name)} does not have; '
                    'name one that has.'
                )
        width = self.backbone.embedding_channels
        if 'vocabulary_size' in wanted and width != self.backbone.text_channels:
            raise ConfigError(
                f'{head["type"]} ties its output to the word embedding, whose width {width} is not '
                f"the text encoder's {self.backbone.text_channels}. Name a text encoder where they "
                'are equal.'
            )
        return dict(head, **{name: known[name] for name in wanted})

    def _owner_of(self, name: str) -> str:
        """Name the part that lacks a derived number, for messages."""
        part = self.decode_head if name == 'pixel_channels' else self.backbone.text
        return type(part).__name__

    def extract_feat(
        self,
        inputs: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
        final_words: bool = True,
        image_of: Tensor | None = None,
        **text: Tensor,
    ) -> CrossModalFeatures:
        """Encode images ``[B, 3, H, W]`` and sentences ``[B, T]``; see the encoder's forward."""
        return self.backbone(
            inputs, input_ids, attention_mask, final_words=final_words, image_of=image_of, **text
        )

    def predict_tensors(
        self,
        images: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
        image_of: Tensor | None = None,
        **text: Tensor,
    ) -> Prediction:
        """Predict from tensors alone: this is exported, compiled, benchmarked and compared.

        Args:
            images: normalised ``[B, 3, H, W]``, float, RGB in most configs.
            input_ids: ``[B, T]`` int64.
            attention_mask: ``[B, T]`` int64, 1 for real tokens.
            image_of: for sentences that share images: int64 ``[B]``, the image of each, out of
                ``images [U, 3, H, W]``.
            **text: what else the tokenizer says of the sentences, ``text_* [B, ...]``.
        """
        features = self.extract_feat(
            images,
            input_ids,
            attention_mask,
            final_words=self._answer_reads_words,
            image_of=image_of,
            **text,
        )
        return self._answer(features)

    def predict_from_maps(
        self, maps: Sequence[Tensor], input_ids: Tensor, attention_mask: Tensor, **text: Tensor
    ) -> Prediction:
        """:meth:`predict_tensors` of images that ``backbone.encode_images`` has encoded.

        Only where ``backbone.encodes_images_alone``; ``text`` may have ``image_of``.
        """
        final_words = self._answer_reads_words
        return self._answer(
            self.backbone.read(maps, input_ids, attention_mask, final_words, **text)
        )

    def _answer(self, features: CrossModalFeatures) -> Prediction:
        prediction = self.decode_head(features)
        if self.no_target_head is not None:
            prediction = prediction._replace(no_target=self.no_target_head(features))
        return prediction

    def predict_logits(
        self,
        images: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
        image_of: Tensor | None = None,
        **text: Tensor,
    ) -> Tensor:
        """Mask logits ``[B, C, h, w]`` of :meth:`predict_tensors`, at the head's stride."""
        return self.predict_tensors(images, input_ids, attention_mask, image_of, **text).masks

    def loss(self, inputs: Tensor, data_samples: list[SegDataSample]) -> dict[str, Tensor]:
        """Losses of the decode head (``decode.*``), the auxiliary (``aux_<k>.*``) and others.

        Neighbours with the same image, in every pixel, have it encoded once, up to the first fusion
        (:func:`shared_images`); what augmentation made different is not the same.
        """
        text = stack_text(data_samples)
        word_targets = None
        for head in self._corrupting_heads:
            text['input_ids'], word_targets = head.corrupt_text(
                text['input_ids'], stack_special_tokens(data_samples)
            )
        images, image_of = shared_images(inputs)
        features = self.extract_feat(
            images, **text, final_words=self._words_are_read, image_of=image_of
        )
        features.word_targets = word_targets
        losses = self._decode_head_forward_train(features, data_samples)
        losses.update(self._auxiliary_head_forward_train(features, data_samples))
        if self.no_target_head is not None:
            answer = self.no_target_head.loss(features, data_samples, self.train_cfg)
            losses.update(add_prefix(answer, 'no_target'))
        return losses

    def predict(
        self,
        inputs: Tensor,
        data_samples: list[SegDataSample] | None = None,
        share_images: bool = True,
    ) -> list[SegDataSample]:
        """Add ``seg_logits`` and ``pred_sem_seg`` at input resolution to every sample.

        ``head_logits`` are the head's own, at its stride; released test codes resize these
        (:mod:`magnet_mm.evaluation.released_rules`).

        Neighbours with the same image have it encoded once (:func:`shared_images`), and where it is
        encoded without language also those of the next batch (:class:`LastImage`); not if
        ``share_images`` is False, which the benchmark compares with.

        Raises:
            DataError: without data samples, since they carry the sentences.
        """
        images, image_of = shared_images(inputs) if share_images else (inputs, None)
        text = dict(stack_text(data_samples), image_of=image_of)
        if share_images and self.backbone.encodes_images_alone:
            maps = self._last_image.encode(self.backbone, images)
            prediction = self.predict_from_maps(maps, **text)
        else:
            prediction = self.predict_tensors(images, **text)
        upsampled = F.interpolate(
            prediction.masks.float(),
            inputs.shape[2:],
            mode='bilinear',
            align_corners=self.foreground.align_corners,
        )
        for sample, logits in zip(data_samples, prediction.masks.float(), strict=True):
            sample.head_logits = PixelData(data=logits)
        return self.postprocess_result(upsampled, data_samples, prediction.no_target)

    def postprocess_result(
        self,
        seg_logits: Tensor,
        data_samples: list[SegDataSample],
        no_target: Tensor | None = None,
    ) -> list[SegDataSample]:
        """Make masks of logits ``[B, C, H, W]`` where they are, at input resolution.

        mmseg resizes to the original size first; most published RIS numbers are measured at input
        resolution (docs/train_and_evaluate.md). What the preprocessor padded is cut off, and the
        foreground rule goes into the metainfo. Where the head says that nothing is meant
        (``no_target`` logits ``[B]``), ``pred_no_target`` is 1 and the mask empty; the logits stay
        as they are. ``no_target_probability`` is the head's.
        """
        rule = self.foreground
        absent = torch.zeros(len(data_samples), dtype=torch.bool, device=seg_logits.device)
        if no_target is not None:
            absent = no_target.float() > rule.no_target_cut
        masks = rule.mask(rule.foreground(seg_logits)) & ~absent[:, None, None]
        for index, (sample, logits, mask) in enumerate(
            zip(data_samples, seg_logits, masks.byte(), strict=True)
        ):
            sample.set_metainfo(dict(foreground=rule.as_dict()))
            sample.seg_logits = PixelData(data=_unpadded(logits, sample))
            sample.pred_sem_seg = PixelData(data=_unpadded(mask[None], sample))
            if no_target is not None:
                sample.set_field(absent[index].byte(), 'pred_no_target', dtype=Tensor)
                probability = no_target[index].float().sigmoid()
                sample.set_field(probability, 'no_target_probability', dtype=Tensor)
        return data_samples

    def _forward(self, inputs: Tensor, data_samples: list[SegDataSample] | None = None) -> Tensor:
        """Mask logits of ``mode='tensor'``."""
        return self.predict_logits(inputs, **stack_text(data_samples))


def _unpadded(maps: Tensor, sample: SegDataSample) -> Tensor:
    """Without the padding of mmseg's preprocessor; samples that record none are left alone."""
    padded = any(sample.get('img_padding_size', ()))
    return without_padding(maps, sample.metainfo) if padded else maps


def _reads_words(head: nn.Module) -> bool:
    """Whether a head reads the words after the last fusion; heads that do not say so do."""
    return getattr(head, 'uses_words', True)
