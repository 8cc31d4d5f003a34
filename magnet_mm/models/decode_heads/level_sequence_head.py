# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What the heads of CMPC and LSCM share: levels in a ConvLSTM, a logit each, and the losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from magnet_mm.errors import ConfigError
from magnet_mm.evaluation.foreground import ForegroundRule
from magnet_mm.models.layers.conv_lstm import ConvLSTM
from magnet_mm.models.layers.level_fusion import LevelInput, LevelOutput
from magnet_mm.models.layers.tf_resize import tf_resize
from magnet_mm.models.losses.kernel_penalty import kernel_penalty
from magnet_mm.models.targets import fractional_masks
from magnet_mm.structures import CrossModalFeatures, Prediction


class LevelMaps(NamedTuple):
    """What the method makes of the levels.

    Attributes:
        levels: fused map ``[B, H, W, F]`` of each level, by its name.
        sequence: the maps that the ConvLSTM reads.
    """

    levels: dict[str, Tensor]
    sequence: list[Tensor]


class LevelSequenceHead(BaseModule):
    """Fuses levels ``c2``..``c5`` (strides 4, 8, 8, 8) with the sentence on one grid of stride 8.

    Args:
        in_channels: channels of ``F_1..F_4``, filled in by the segmentor.
        text_channels: width of the words, filled in by the segmentor.
        grid: rows and columns of the grid, an eighth of the input; the ConvLSTM has weights for
            every cell, so that inputs of another size are refused.
        levels: names of the levels that are read, in any order.
        channels: width of the multimodal maps; 1000 [C].
        fused_channels: width of the fused maps; 500 [C].
        final_weight: of the loss of the result.
        level_weight: of the loss of every level.
        kernel_weight: of the penalty on kernels; 5e-4 [C].
    """

    # What mmseg's EncoderDecoder reads off a head: one sigmoid channel of logits.
    num_classes = 1
    out_channels = 1
    align_corners = False
    foreground = ForegroundRule('sigmoid', align_corners=False)
    uses_words = True
    derived_arguments = ('text_channels',)

    def __init__(
        self,
        in_channels: Sequence[int],
        text_channels: int,
        grid: Sequence[int],
        levels: Sequence[str],
        channels: int,
        fused_channels: int,
        final_weight: float,
        level_weight: float,
        kernel_weight: float,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.grid = tuple(grid)
        self.level_indices = {name: int(name[1]) - 2 for name in levels}
        self.channels, self.fused_channels = channels, fused_channels
        self.final_weight, self.level_weight = final_weight, level_weight
        self.kernel_weight = kernel_weight
        self.inputs = nn.ModuleDict(
            {
                name: LevelInput(in_channels[index], text_channels, channels, halve=index == 0)
                for name, index in self.level_indices.items()
            }
        )
        self.outputs = nn.ModuleDict(
            {name: LevelOutput(channels, text_channels, fused_channels) for name in levels}
        )
        self.level_scores = nn.ModuleDict(
            {name: nn.Conv2d(fused_channels, 1, 3, padding=1) for name in levels}
        )
        self.conv_lstm = ConvLSTM(fused_channels, self.grid)
        self.score = nn.Conv2d(fused_channels, 1, 3, padding=1)

    def init_weights(self) -> None:
        """Initialise kernels uniformly after Glorot, biases with 0 [C]."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def fuse_levels(self, features: CrossModalFeatures) -> LevelMaps:
        """Fuse image and sentence at every level: what the methods differ in."""
        raise NotImplementedError

    def forward(self, features: CrossModalFeatures) -> Prediction:
        """Logits ``[B, 1, 8H, 8W]`` at input resolution."""
        return Prediction(self._logits(self.score, self._last(self._maps(features))))

    def loss(
        self, features: CrossModalFeatures, batch_data_samples: list, train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """Cross-entropies summed over the pixels, of the result and of every level; the penalty.

        Keys: ``loss_final``, ``loss_<level>`` and ``loss_kernels``, each with its weight [C].
        """
        maps = self._maps(features)
        # Every pixel that the resized mask touches is foreground [C].
        target = (fractional_masks(batch_data_samples) > 0).float()
        final = self._logits(self.score, self._last(maps))
        losses = dict(loss_final=self.final_weight * _pixel_sum(final, target))
        for name, score in self.level_scores.items():
            logits = self._logits(score, maps.levels[name])
            losses[f'loss_{name}'] = self.level_weight * _pixel_sum(logits, target)
        losses['loss_kernels'] = self.kernel_weight * kernel_penalty(self)
        return losses

    def _maps(self, features: CrossModalFeatures) -> LevelMaps:
        size = tuple(features.visual[1].shape[2:])
        if size != self.grid:
            raise ConfigError(
                f'The maps are {size}, but {type(self).__name__} has peepholes for a grid of '
                f'{self.grid}. Set decode_head.grid to an eighth of the input (rows, columns).'
            )
        return self.fuse_levels(features)

    def _last(self, maps: LevelMaps) -> Tensor:
        return self.conv_lstm(maps.sequence)

    def _logits(self, score: nn.Conv2d, maps: Tensor) -> Tensor:
        """``[B, H, W, F]`` to logits ``[B, 1, 8H, 8W]``."""
        rows, columns = self.grid
        return tf_resize(score(maps.permute(0, 3, 1, 2)).float(), (8 * rows, 8 * columns))


def _pixel_sum(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy summed over the pixels, mean over the batch."""
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction='sum')
    return loss / len(logits)
