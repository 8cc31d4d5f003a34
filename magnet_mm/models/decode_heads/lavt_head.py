# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""LAVT's light decoder (LAVT, CVPR 2022, sec. 3.4; methods 1.1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.structures import CrossModalFeatures


@MODELS.register_module()
class LAVTHead(BaseDecodeHead):
    """Top-down decoder: upsample, concatenate, two 3x3 convolutions, at strides 16, 8 and 4.

    ``Y_4 = F_4``, ``Y_i = conv(conv([up(Y_{i+1}); F_i]))`` and a 1x1 convolution to two classes
    (background, referred object) at stride 4. Upsampling is bilinear with
    ``align_corners=True`` [C]. Losses are computed on logits upsampled to input resolution, as
    mmseg's heads do.

    Args:
        in_channels: channels of ``F_1..F_4``, filled in by the segmentor.
        channels: width; None takes half the channels of ``F_4`` [C], 512 for Swin-B.
        loss_decode: config of one loss or several; their ``loss_name`` is the key in the log.
        norm_cfg: norm of the convolutions; SyncBN [C] (``BN`` where there is no accelerator).
    """

    uses_words = False

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
            channels or in_channels[-1] // 2,
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
        self.pixel_channels = self.channels
        width = in_channels[-1]
        self.levels = nn.ModuleList()  # coarse to fine: strides 16, 8, 4
        for skip in in_channels[-2::-1]:
            self.levels.append(nn.Sequential(self._conv(width + skip), self._conv(self.channels)))
            width = self.channels

    def _conv(self, in_channels: int) -> ConvModule:
        return ConvModule(
            in_channels,
            self.channels,
            3,
            padding=1,
            bias=False,
            norm_cfg=self.norm_cfg,
            act_cfg=self.act_cfg,
        )

    def forward(self, features: CrossModalFeatures) -> Tensor:
        """Logits ``[B, 2, H/4, W/4]``.

        Leaves the last map ``[B, channels, H/4, W/4]`` in ``features.pixel_embedding`` for the
        auxiliary heads.
        """
        *skips, x = features.visual
        for level, skip in zip(self.levels, reversed(skips), strict=True):
            upsampled = F.interpolate(
                x, skip.shape[2:], mode='bilinear', align_corners=self.align_corners
            )
            x = level(torch.cat([upsampled, skip], dim=1))
        features.pixel_embedding = x
        return self.cls_seg(x)

    def _stack_batch_gt(self, batch_data_samples: list) -> Tensor:
        """Labels int64 ``[B, 1, H, W]``; the data samples hold uint8, which indexes as a mask."""
        return super()._stack_batch_gt(batch_data_samples).long()
