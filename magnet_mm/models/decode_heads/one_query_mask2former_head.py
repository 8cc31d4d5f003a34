# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""MagNet's head: Mask2Former's decoder with a single query (docs/methods/magnet.md, "Decoder")."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmdet.models.layers import Mask2FormerTransformerDecoder
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.evaluation.foreground import ForegroundRule
from magnet_mm.models.decode_heads.deformable_pixel_decoder import DeformablePixelDecoder
from magnet_mm.models.targets import stack_masks
from magnet_mm.structures import CrossModalFeatures, Prediction


@MODELS.register_module()
class OneQueryMask2FormerHead(BaseModule):
    """One learned query becomes the mask of the referred object.

    Composed of mmdet's pixel decoder and transformer decoder; the class head of
    Mask2Former is left out, because with one query the released softmax over queries is always 1.

    Args:
        in_channels: channels of ``F_1..F_4``, filled in by the segmentor.
        channels: width; 256 [C].
        num_heads: attention heads; 8 [C].
        encoder_layers: deformable encoder layers of the pixel decoder; 4 [C].
        encoder_ffn_channels: their FFN width; 1024 [C].
        decoder_layers: masked-attention layers; 9 [P supp.].
        decoder_ffn_channels: their FFN width; 2048 [C].
        encoder_levels: how many of the coarsest levels the deformable layers see; None for all
            [C]. Mask2Former's own decoder takes 3 and joins stride 4 by a convolution.
        loss_mask: binary cross-entropy on mask logits.
        loss_dice: Dice loss on mask logits.
    """

    # What mmseg's EncoderDecoder reads off a head: one sigmoid channel of logits.
    num_classes = 1
    out_channels = 1
    align_corners = True
    foreground = ForegroundRule('sigmoid')
    uses_words = False

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int = 256,
        num_heads: int = 8,
        encoder_layers: int = 4,
        encoder_ffn_channels: int = 1024,
        decoder_layers: int = 9,
        decoder_ffn_channels: int = 2048,
        encoder_levels: int | None = None,
        loss_mask: dict | None = None,
        loss_dice: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.pixel_decoder = DeformablePixelDecoder(
            in_channels,
            channels,
            encoder_layers,
            num_heads,
            encoder_ffn_channels,
            encoder_levels,
        )
        self.transformer_decoder = Mask2FormerTransformerDecoder(
            num_layers=decoder_layers,
            layer_cfg=dict(
                self_attn_cfg=dict(embed_dims=channels, num_heads=num_heads),
                cross_attn_cfg=dict(embed_dims=channels, num_heads=num_heads),
                ffn_cfg=dict(embed_dims=channels, feedforward_channels=decoder_ffn_channels),
            ),
        )
        self.num_heads = num_heads
        self.pixel_channels = channels
        self.num_levels = self.pixel_decoder.num_outs
        self.query_feat = nn.Embedding(1, channels)
        self.query_embed = nn.Embedding(1, channels)
        self.level_embed = nn.Embedding(self.num_levels, channels)
        self.mask_embed = nn.Sequential(
            nn.Linear(channels, channels),
            nn.ReLU(),
            nn.Linear(channels, channels),
            nn.ReLU(),
            nn.Linear(channels, channels),
        )
        self.loss_mask = MODELS.build(loss_mask) if loss_mask else None
        self.loss_dice = MODELS.build(loss_dice) if loss_dice else None

    def init_weights(self) -> None:
        """Initialise as Mask2Former does (mmdet), or as ``init_cfg`` says."""
        if self.init_cfg:
            super().init_weights()
            return
        self.pixel_decoder.init_weights()
        for parameter in self.transformer_decoder.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_normal_(parameter)

    def forward(self, features: CrossModalFeatures) -> Prediction:
        """Mask logits ``[B, 1, H/4, W/4]`` of the last decoder layer."""
        return Prediction(self.decode(features, every_mask=False)[-1])

    def decode(self, features: CrossModalFeatures, every_mask: bool = True) -> list[Tensor]:
        """Mask logits ``[B, 1, H/4, W/4]`` of the raw query and after every layer.

        Leaves the mask feature in ``features.pixel_embedding`` for the auxiliary heads.

        Args:
            features: what the encoder returned.
            every_mask: False returns the last mask alone. The earlier ones are then computed only
                where the next layer looks, at the size of its keys: resizing is linear, so the
                mask feature is resized instead, once per size.
        """
        mask_feature, memories = self.pixel_decoder(features.visual)
        features.pixel_embedding = mask_feature
        shapes = [tuple(memory.shape[2:]) for memory in memories]
        keys, positions = [], []
        for memory, level in zip(memories, self.level_embed.weight, strict=True):
            keys.append(memory.flatten(2).transpose(1, 2) + level)
            position = self.pixel_decoder.position(tuple(memory.shape[2:]), memory)
            positions.append(position.expand(memory.shape[0], -1, -1))
        small = [] if every_mask else [_resize(mask_feature, shape) for shape in shapes]

        batch = mask_feature.shape[0]
        query = self.query_feat.weight.expand(batch, -1, -1)
        query_position = self.query_embed.weight.expand(batch, -1, -1)
        kernel, masks = self._kernel(query), []
        for index, layer in enumerate(self.transformer_decoder.layers):
            level = index % self.num_levels
            if every_mask:
                masks.append(_mask(kernel, mask_feature))
                seen = masks[-1]
            else:
                seen = _mask(kernel, small[level])
            query = layer(
                query=query,
                key=keys[level],
                value=keys[level],
                query_pos=query_position,
                key_pos=positions[level],
                cross_attn_mask=self._blocked(seen, shapes[level]),
            )
            kernel = self._kernel(query)
        return [*masks, _mask(kernel, mask_feature)]

    def _kernel(self, query: Tensor) -> Tensor:
        """Return what the mask feature is multiplied with, ``[B, 1, C]``."""
        return self.mask_embed(self.transformer_decoder.post_norm(query))

    def _blocked(self, mask: Tensor, shape: tuple[int, int]) -> Tensor:
        """Keys outside the last mask, bool ``[B * heads, 1, h * w]``; none if all would be."""
        blocked = _resize(mask.detach(), shape).flatten(2).sigmoid() < 0.5
        blocked = blocked & ~blocked.all(-1, keepdim=True)
        return blocked.repeat_interleave(self.num_heads, dim=0)

    def loss(
        self, features: CrossModalFeatures, batch_data_samples: list, train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """Mask and Dice losses of all outputs (deep supervision), on every pixel of the input.

        The logits are upsampled as predictions are (our choice; Mask2Former interpolates them at
        its points, too). Keys: ``loss_mask``, ``loss_dice`` for the last layer, with the prefix
        ``d<k>.`` for earlier ones.
        """
        masks = self.decode(features)
        target = stack_masks(batch_data_samples)
        losses = {}
        for index, mask in enumerate(masks):
            prefix = '' if index == len(masks) - 1 else f'd{index}.'
            logits = F.interpolate(
                mask.float(), target.shape[2:], mode='bilinear', align_corners=self.align_corners
            )
            losses[f'{prefix}loss_mask'] = self.loss_mask(logits, target)
            losses[f'{prefix}loss_dice'] = self.loss_dice(logits.flatten(1), target.flatten(1))
        return losses


def _mask(kernel: Tensor, mask_feature: Tensor) -> Tensor:
    """Logits ``[B, 1, H, W]`` of a kernel ``[B, 1, C]`` and a map ``[B, C, H, W]``."""
    return torch.einsum('bqc,bchw->bqhw', kernel, mask_feature)


def _resize(x: Tensor, shape: tuple[int, int]) -> Tensor:
    return F.interpolate(x, shape, mode='bilinear', align_corners=False)
