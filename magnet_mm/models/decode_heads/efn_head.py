# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""EFN's decoder with boundary enhancement (EFN, CVPR 2021; docs/methods/efn.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule, ModuleList
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.evaluation.foreground import ForegroundRule
from magnet_mm.models.layers.body_edge import BodyEdgeSplit, edge_band
from magnet_mm.models.layers.conv_bn_prelu import conv_bn_prelu
from magnet_mm.models.layers.precision import no_autocast
from magnet_mm.models.targets import stack_masks
from magnet_mm.structures import CrossModalFeatures, Prediction


class Level(NamedTuple):
    """What one step of the decoder gives.

    Attributes:
        output: ``[B, m', h, w]``, goes on to the next step; the last one's are logits, ``m' = 1``.
        body: ``[B, m, h', w']``, of the step's input.
        edge: ``[B, m, h, w]``, joined with the finer map.
    """

    output: Tensor
    body: Tensor
    edge: Tensor


class BoundaryStep(nn.Module):
    """Split into body and edge, sharpen the edge by a finer map, put together [C].

    Args:
        channels: ``m``, of the input and of the finer map.
        output: from ``[B, 2 m, h, w]`` to what the next step reads.
    """

    def __init__(self, channels: int, output: nn.Module) -> None:
        super().__init__()
        self.split = BodyEdgeSplit(channels)
        self.edge_fusion = nn.Conv2d(2 * channels, channels, 1, bias=False)
        self.output = output

    def forward(self, x: Tensor, finer: Tensor) -> Level:
        """``[B, m, h', w']`` and ``[B, m, h, w]`` to a :class:`Level`."""
        body, edge = self.split(x)
        size = finer.shape[2:]
        edge = self.edge_fusion(torch.cat([_resize(edge, size), finer], 1))
        joined = edge + _resize(body, size)
        return Level(self.output(torch.cat([_resize(x, size), joined], 1)), body, edge)


class SideHeads(nn.Module):
    """Logits of a step's edge, body and, where it is not the last, mask; training only [C].

    Args:
        channels: ``m``, of edge and body.
        least: no layer is narrower; otherwise each halves its width.
        has_mask: False for the last step, whose output are the logits.
    """

    def __init__(self, channels: int, least: int, has_mask: bool) -> None:
        super().__init__()
        half = max(channels // 2, least)
        quarter = max(half // 2, least)
        self.edge = _side(channels, half)
        self.body = _side(channels, half)
        self.mask = _side(half, quarter) if has_mask else nn.Identity()

    def forward(self, level: Level, size: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of mask, body and edge at ``size``, ``[B, 1, H, W]`` each."""
        maps = (self.mask(level.output), self.body(level.body), self.edge(level.edge))
        mask, body, edge = (_resize(logits, size) for logits in maps)
        return mask, body, edge


@MODELS.register_module()
class EFNHead(BaseModule):
    """Four steps from stride 16 to stride 2, each supervised by mask, body and edge.

    The loss is the sum of twelve means over all pixels of the input, each with weight 1 [C]:
    ``loss_mask<k>`` and ``loss_body<k>`` (binary cross-entropy with the whole mask),
    ``loss_edge<k>`` (with the band of 2 pixels about its border), ``k`` from 4 (coarse) to 1.

    Args:
        in_channels: channels of ``F_0..F_4``, filled in by the segmentor.
        channels: width ``n`` of the finest map; the maps ``F_0..F_4`` are reduced to
            ``n, 2n, 4n, 8n, 16n``; 32 [C].
    """

    # What mmseg's EncoderDecoder reads off a head: one sigmoid channel of logits.
    num_classes = 1
    out_channels = 1
    align_corners = False
    foreground = ForegroundRule('sigmoid', align_corners=False)
    uses_words = False

    def __init__(
        self, in_channels: Sequence[int], channels: int = 32, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        widths = [channels * 2**index for index in range(len(in_channels))]
        self.reduce = ModuleList(map(conv_bn_prelu, in_channels, widths))
        *widths, coarsest = widths
        self.first = conv_bn_prelu(coarsest, widths[-1])
        self.steps, self.sides = ModuleList(), ModuleList()
        for index, width in reversed(list(enumerate(widths))):
            output = conv_bn_prelu(2 * width, max(width // 2, channels))
            if index == 0:
                output.append(nn.Conv2d(channels, 1, 3, padding=1))
            self.steps.append(BoundaryStep(width, output))
            self.sides.append(SideHeads(width, channels, has_mask=index > 0))

    def forward(self, features: CrossModalFeatures) -> Prediction:
        """Logits ``[B, 1, H/2, W/2]``."""
        return Prediction(self.decode(features)[-1].output)

    def decode(self, features: CrossModalFeatures) -> list[Level]:
        """Run all steps, coarse to fine."""
        *finer, x = (
            reduce(feature) for reduce, feature in zip(self.reduce, features.visual, strict=True)
        )
        x = self.first(x)
        levels = []
        for step, skip in zip(self.steps, reversed(finer), strict=True):
            levels.append(step(x, skip))
            x = levels[-1].output
        return levels

    def loss(
        self, features: CrossModalFeatures, batch_data_samples: list, train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """Compute the twelve losses, see the class."""
        levels = self.decode(features)
        masks = stack_masks(batch_data_samples).to(_wide(levels[-1].output).dtype)
        edges = edge_band(masks)
        losses = {}
        for place, (level, side) in enumerate(zip(levels, self.sides, strict=True)):
            mask, body, edge = map(_wide, side(level, masks.shape[2:]))
            number = len(levels) - place
            losses[f'loss_mask{number}'] = F.binary_cross_entropy_with_logits(mask, masks)
            losses[f'loss_body{number}'] = F.binary_cross_entropy_with_logits(body, masks)
            losses[f'loss_edge{number}'] = _probability_loss(edge.sigmoid(), edges)
        return losses


def _probability_loss(probability: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of probabilities, the logarithm cut at -100 [C]; never in half."""
    with no_autocast(probability):
        return F.binary_cross_entropy(probability, target)


def _wide(x: Tensor) -> Tensor:
    """Make it at least float32."""
    return x.float() if x.element_size() < 4 else x


def _side(channels: int, out_channels: int) -> nn.Sequential:
    layers = conv_bn_prelu(channels, out_channels)
    return layers.append(nn.Conv2d(out_channels, 1, 1, bias=False))


def _resize(x: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(x, tuple(size), mode='bilinear', align_corners=False)
