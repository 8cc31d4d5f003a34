# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Darknet-53 with the first layers of YOLOv3's head, at strides 8, 16 and 32 (VLT)."""

from __future__ import annotations

from typing import Any

from mmcv.cnn import ConvModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from magnet_mm.errors import ConfigError
from magnet_mm.models.visual.stagewise_darknet import StagewiseDarknet

_PAIRS = 3  # 1x1 to half the width and 3x3 back to it, three times [C VLT]


@MODELS.register_module()
class YoloDarknet(StagewiseDarknet):
    """Darknet-53 up to YOLOv3's features: the map of stride 32 goes through six convolutions more.

    The arguments are those of mmdet's ``Darknet``, and one more. Published VLT weights convert by
    ``tools/model_converters/vlt2mm.py``; ``init_cfg`` may name a whole YOLOv3 of mmdet, without a
    prefix (its neck and bridge hold the six), or a Darknet-53 alone, and then the six start fresh.

    Args:
        frozen_head_convs: how many of the six keep their weights, together with all of Darknet-53;
            4 [C VLT: its first 197 layers]. None trains everything. Frozen batch norms use their
            stored statistics in training too (Keras 2.3 normalises by the batch there: our choice,
            docs/methods/vlt.md).

    Raises:
        ConfigError: for a number that is not 0 to 6.
    """

    fresh = ('head_convs',)

    def __init__(self, frozen_head_convs: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if frozen_head_convs not in (None, *range(2 * _PAIRS + 1)):
            raise ConfigError(
                f'YoloDarknet: frozen_head_convs is None or 0 to {2 * _PAIRS}, not '
                f'{frozen_head_convs}.'
            )
        self.channels = self.channels[1:]
        width = self.channels[-1]
        options = dict(
            norm_cfg=kwargs.get('norm_cfg', dict(type='BN', requires_grad=True)),
            act_cfg=kwargs.get('act_cfg', dict(type='LeakyReLU', negative_slope=0.1)),
        )
        self.head_convs = nn.Sequential(
            *(
                layer
                for _ in range(_PAIRS)
                for layer in (
                    ConvModule(width, width // 2, 1, **options),
                    ConvModule(width // 2, width, 3, padding=1, **options),
                )
            )
        )
        self.frozen_head_convs = frozen_head_convs
        for module in self._frozen():
            module.requires_grad_(False)
        self.register_load_state_dict_pre_hook(_from_detector)

    def _frozen(self) -> list[nn.Module]:
        if self.frozen_head_convs is None:
            return []
        darknet = [getattr(self, name) for name in self.cr_blocks]
        return [*darknet, *self.head_convs[: self.frozen_head_convs]]

    def train(self, mode: bool = True) -> YoloDarknet:
        """Train, but for the batch norms of what is frozen."""
        super().train(mode)
        for part in self._frozen():
            for module in part.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def embed(self, images: Tensor) -> Tensor:
        """``[B, 3, H, W]`` to the map of stride 4, ``[B, H/4, W/4, 128]``."""
        return super().stage(0, super().embed(images))

    def stage(self, index: int, x: Tensor) -> Tensor:
        """Blocks of stride 8, 16, 32, to ``[B, H_i, W_i, C_i]``; the six come after the last."""
        x = super().stage(index + 1, x)
        if index < len(self.channels) - 1:
            return x
        return self.head_convs(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def _from_detector(module: nn.Module, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Rename mmdet's YOLOv3 in a state dict that is about to be loaded; others stay as they are."""
    if f'{prefix}neck.detect1.conv1.conv.weight' not in state_dict:
        return
    ours = {
        **{f'neck.detect1.conv{index + 1}.': f'head_convs.{index}.' for index in range(5)},
        'bbox_head.convs_bridge.0.': 'head_convs.5.',
        'backbone.': '',
    }
    for key in list(state_dict):
        own = key.removeprefix(prefix)
        for theirs, name in ours.items():
            if key.startswith(prefix) and own.startswith(theirs):
                state_dict[f'{prefix}{name}{own.removeprefix(theirs)}'] = state_dict.pop(key)
                break
