# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""LAVT's top-down decoder, and what the heads built on it share (docs/methods/lavt.md)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from magnet_mm.evaluation.foreground import ForegroundRule
from magnet_mm.models.targets import stack_masks
from magnet_mm.structures import CrossModalFeatures


class TopDownDecoder(nn.ModuleList):
    """Upsample, concatenate, two 3x3 convolutions, at every level from coarse to fine.

    ``Y_4 = F_4``, ``Y_i = conv(conv([up(Y_{i+1}); F_i]))``; upsampling is bilinear with
    ``align_corners=True`` [C]. One entry of this list is one level, coarse to fine.

    Args:
        in_channels: channels of ``F_1..F_4``, fine to coarse.
        channels: width of ``Y_1..Y_3``.
        norm_cfg: norm of the convolutions, which end in a ReLU.
    """

    def __init__(self, in_channels: Sequence[int], channels: int, norm_cfg: dict) -> None:
        super().__init__()
        width = in_channels[-1]
        for skip in in_channels[-2::-1]:
            sizes = ((width + skip, channels), (channels, channels))
            self.append(
                nn.Sequential(
                    *(
                        ConvModule(*size, 3, padding=1, bias=False, norm_cfg=norm_cfg)
                        for size in sizes
                    )  # fmt: skip
                )
            )
            width = channels

    def forward(self, visual: Sequence[Tensor]) -> Tensor:
        """``F_1..F_4 [B, C_i, H_i, W_i]`` to ``Y_1 [B, channels, H/4, W/4]``."""
        *skips, x = visual
        for level, skip in zip(self, reversed(skips), strict=True):
            upsampled = F.interpolate(x, skip.shape[2:], mode='bilinear', align_corners=True)
            x = level(torch.cat([upsampled, skip], dim=1))
        return x


class TopDownHead(BaseDecodeHead):
    """mmseg head with a top-down decoder and two classes: background, referred object.

    Losses are computed on logits upsampled to input resolution, as mmseg's heads do.

    Args:
        in_channels: channels of ``F_1..F_4``, filled in by the segmentor.
        channels: width; None takes half the channels of ``F_4`` [C LAVT], 512 for Swin-B, but not
            more than 512 (our choice: a ResNet's 2048 channels would quadruple the decoder).
        loss_decode: config of one loss or several; their ``loss_name`` is the key in the log.
        norm_cfg: norm of the convolutions; SyncBN [C LAVT] (``BN`` where there is no accelerator).
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int | None = None,
        loss_decode: dict | Sequence[dict] | None = None,
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        in_channels = list(in_channels)
        super().__init__(
            in_channels,
            channels or min(in_channels[-1] // 2, 512),
            num_classes=2,
            out_channels=2,
            dropout_ratio=0,
            in_index=list(range(len(in_channels))),
            input_transform='multiple_select',
            norm_cfg=norm_cfg or dict(type='SyncBN'),
            loss_decode=loss_decode or dict(type='CrossEntropyLoss'),
            align_corners=True,
            init_cfg=init_cfg,
        )
        self.levels = TopDownDecoder(in_channels, self.channels, self.norm_cfg)

    @property
    def foreground(self) -> ForegroundRule:
        """The larger of the two logits [C LAVT]."""
        return ForegroundRule('argmax', align_corners=self.align_corners)

    def loss(
        self, features: CrossModalFeatures, batch_data_samples: list, train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """Losses of the mask logits at input resolution, under their ``loss_name``."""
        return self.loss_by_feat(self(features).masks, batch_data_samples)

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: list) -> dict[str, Tensor]:
        """Compute mmseg's losses and ``acc_seg``, the percentage of pixels that are right.

        mmseg's own accuracy picks pixels by a mask, for which an accelerator has to be waited for.
        """
        labels = self._stack_batch_gt(batch_data_samples).squeeze(1)
        logits = F.interpolate(
            seg_logits, labels.shape[1:], mode='bilinear', align_corners=self.align_corners
        )
        parts = self.loss_decode
        losses: dict[str, Tensor] = {}
        for part in parts if isinstance(parts, nn.ModuleList) else [parts]:
            loss = part(logits, labels, ignore_index=self.ignore_index)
            losses[part.loss_name] = losses.get(part.loss_name, 0) + loss
        losses['acc_seg'] = 100 * (logits.argmax(1) == labels).float().mean()
        return losses

    def _stack_batch_gt(self, batch_data_samples: list) -> Tensor:
        """Labels int64 ``[B, 1, H, W]``."""
        return stack_masks(batch_data_samples).long()
