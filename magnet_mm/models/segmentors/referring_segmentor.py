# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The segmentor of every method: mmseg's EncoderDecoder with a sentence beside the image."""

from __future__ import annotations

import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from magnet_mm.errors import ConfigError
from magnet_mm.models.targets import shared_images, stack_text
from magnet_mm.structures import CrossModalFeatures


@MODELS.register_module()
class ReferringSegmentor(EncoderDecoder):
    """Composes a cross-modal encoder, one decode head and any number of auxiliary heads.

    The arguments are those of mmseg's ``EncoderDecoder``; ``backbone`` is a
    :class:`CrossModalEncoder`. Channel numbers are not repeated in configs: the decode head is
    given ``in_channels``, and every head the numbers it lists in ``derived_arguments`` (out of
    ``visual_channels``, ``text_channels``, ``vocabulary_size`` and, for auxiliary heads,
    ``pixel_channels``).

    An auxiliary head with a method ``corrupt_text(input_ids, attention_mask) ->
    (input_ids, word_targets)`` changes the sentence in training, before the text encoder reads it.
    A head with ``uses_words = False`` does not read the words after the last fusion; where no head
    does, that last update is skipped and its weights are frozen (DDP accepts no unused ones).

    Raises:
        ConfigError: for a ``neck``, sliding-window testing, a key in ``train_cfg`` or ``test_cfg``
            that nothing reads, two heads that corrupt the sentence, or a head that asks for what
            encoder or decode head do not have.
    """

    def __init__(self, *args, **kwargs) -> None:
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
        self._words_are_read = any(map(_reads_words, [self.decode_head, *self.auxiliary_head]))
        if not self._words_are_read:
            for module in self.backbone.fusion[-1].text_branch():
                module.requires_grad_(False)

    def _init_decode_head(self, decode_head: dict) -> None:
        super()._init_decode_head(
            dict(self._complete(decode_head), in_channels=list(self.backbone.visual_channels))
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
            visual_channels=self.backbone.visual_channels,
            text_channels=self.backbone.text_channels,
            vocabulary_size=self.backbone.vocabulary_size,
            pixel_channels=getattr(getattr(self, 'decode_head', None), 'pixel_channels', None),
        )
        wanted = getattr(MODELS.get(head['type']), 'derived_arguments', ())
        width = self.backbone.text.word_embedding.shape[1]
        if 'vocabulary_size' in wanted and width != self.backbone.text_channels:
            raise ConfigError(
                f'{head["type"]} ties its output to the word embedding, whose width {width} is not '
                f"the text encoder's {self.backbone.text_channels}. Name a text encoder where they "
                'are equal.'
            )
        for name in wanted:
            if known[name] is None:
                raise ConfigError(
                    f'{head["type"]} needs {name}, which {type(self.decode_head).__name__} does '
                    'not have; use a decode head with a pixel embedding.'
                )
        return dict(head, **{name: known[name] for name in wanted})

    def extract_feat(
        self,
        inputs: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
        final_words: bool = True,
        image_of: Tensor | None = None,
    ) -> CrossModalFeatures:
        """Encode images ``[B, 3, H, W]`` and sentences ``[B, T]``; see the encoder's forward."""
        return self.backbone(
            inputs, input_ids, attention_mask, final_words=final_words, image_of=image_of
        )

    def predict_logits(
        self,
        images: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
        image_of: Tensor | None = None,
    ) -> Tensor:
        """Compute mask logits: the pure-tensor entry point, which is exported and compiled.

        Args:
            images: normalised RGB ``[B, 3, H, W]``, float.
            input_ids: ``[B, T]`` int64.
            attention_mask: ``[B, T]`` int64, 1 for real tokens.
            image_of: for sentences that share images: int64 ``[B]``, the image of each, out of
                ``images [U, 3, H, W]``.

        Returns:
            Mask logits ``[B, C, H/4, W/4]``, ``C = 1`` (sigmoid) or 2 (softmax; LAVT).
        """
        features = self.extract_feat(
            images,
            input_ids,
            attention_mask,
            final_words=_reads_words(self.decode_head),
            image_of=image_of,
        )
        return self.decode_head(features)

    def loss(self, inputs: Tensor, data_samples: list[SegDataSample]) -> dict[str, Tensor]:
        """Losses of the decode head (``decode.*``) and the auxiliary heads (``aux_<k>.*``)."""
        input_ids, attention_mask = stack_text(data_samples)
        word_targets = None
        for head in self._corrupting_heads:
            input_ids, word_targets = head.corrupt_text(input_ids, attention_mask)
        features = self.extract_feat(
            inputs, input_ids, attention_mask, final_words=self._words_are_read
        )
        features.word_targets = word_targets
        losses = self._decode_head_forward_train(features, data_samples)
        losses.update(self._auxiliary_head_forward_train(features, data_samples))
        return losses

    def predict(
        self,
        inputs: Tensor,
        data_samples: list[SegDataSample] | None = None,
        share_images: bool = True,
    ) -> list[SegDataSample]:
        """Add ``seg_logits`` and ``pred_sem_seg`` at input resolution to every sample.

        Neighbours with the same image have it encoded once (:func:`shared_images`), unless
        ``share_images`` is False, which the benchmark compares with.

        Raises:
            DataError: without data samples, since they carry the sentences.
        """
        images, image_of = shared_images(inputs) if share_images else (inputs, None)
        logits = self.predict_logits(images, *stack_text(data_samples), image_of=image_of)
        upsampled = F.interpolate(
            logits.float(), inputs.shape[2:], mode='bilinear', align_corners=True
        )
        return self.postprocess_result(upsampled, data_samples)

    def postprocess_result(
        self, seg_logits: Tensor, data_samples: list[SegDataSample]
    ) -> list[SegDataSample]:
        """Threshold logits ``[B, C, H, W]`` where they are, at input resolution.

        mmseg resizes to the original size first; the published RIS numbers are measured at input
        resolution (docs/train_and_evaluate.md). One channel: logit > 0; two channels: argmax.
        """
        if seg_logits.shape[1] == 1:
            masks = seg_logits > 0
        else:
            masks = seg_logits.argmax(dim=1, keepdim=True)
        for sample, logits, mask in zip(data_samples, seg_logits, masks.byte(), strict=True):
            sample.seg_logits = PixelData(data=logits)
            sample.pred_sem_seg = PixelData(data=mask)
        return data_samples

    def _forward(self, inputs: Tensor, data_samples: list[SegDataSample] | None = None) -> Tensor:
        """Mask logits of ``mode='tensor'``."""
        return self.predict_logits(inputs, *stack_text(data_samples))


def _reads_words(head: nn.Module) -> bool:
    """Whether a head reads the words after the last fusion; heads that do not say so do."""
    return getattr(head, 'uses_words', True)
