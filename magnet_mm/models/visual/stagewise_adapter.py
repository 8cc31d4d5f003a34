# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Any mmseg or mmdet backbone: opened between its stages where possible, else fused after it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.errors import ConfigError
from magnet_mm.models.visual.pretrained_visual import PretrainedVisual

Step = Callable[[Tensor], Tensor]
_PROBE_SIZE = 64  # pixels; two cells at stride 32


@MODELS.register_module()
class StagewiseAdapter(PretrainedVisual, BaseModule):
    """Makes a stage-wise visual backbone out of a registered one.

    The known ways of running a backbone step by step (residual stages, chains of named blocks,
    transformer levels) are tried once, on a 64-pixel image, when the model is built. One is taken
    only if its maps are those of the backbone's own forward; then language enters between the
    stages. Otherwise ``stagewise`` is False: the backbone runs through, and its finished maps are
    fused.

    Args:
        backbone: config of the backbone, e.g. ``dict(type='mmdet.ResNeXt', depth=50)``. Its
            forward returns three or four maps ``[B, C_i, H_i, W_i]``, fine to coarse.
        fresh: parts of the backbone, by name, that its pretrained weights need not have, such as
            the output norms ``('norm0', 'norm1', 'norm2', 'norm3')`` of a Swin from ImageNet; they
            start as they are built.

    Raises:
        ConfigError: when the backbone gives no such maps.
    """

    def __init__(
        self, backbone: dict, fresh: Sequence[str] = (), init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.backbone = MODELS.build(backbone)
        self.backbone.fresh = tuple(fresh)  # complete_weights reads it
        training = self.backbone.training
        self.backbone.eval()
        with torch.no_grad():
            images = torch.linspace(-1, 1, 3 * _PROBE_SIZE**2).view(1, 3, _PROBE_SIZE, _PROBE_SIZE)
            maps = _output_maps(self.backbone, images)
            self._stages = _find_stages(self.backbone, images, maps)
        self.backbone.train(training)
        self.channels: tuple[int, ...] = tuple(feature.shape[1] for feature in maps)
        self.stagewise: bool = self._stages is not None
        if not self.stagewise:
            print_log(
                f'{backbone["type"]} cannot be run stage by stage: its finished maps are fused, '
                'and language does not reach its stages.',
                logger='current',
            )

    def embed(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Input of stage 0: the image ``[B, H, W, 3]``, or all maps if not ``stagewise``."""
        if self.stagewise:
            return images.permute(0, 2, 3, 1)
        return tuple(feature.permute(0, 2, 3, 1) for feature in self.backbone(images))

    def stage(self, index: int, x: Tensor | tuple[Tensor, ...]) -> Tensor:
        """``V_i [B, H_i, W_i, C_i]``, run or, if not ``stagewise``, taken out of the maps."""
        if not self.stagewise:
            return x[index]
        x = x.permute(0, 3, 1, 2)
        for step in self._stages[index]:
            x = step(x)
        return x.permute(0, 2, 3, 1)

    def downsample(self, index: int, v: Tensor) -> Tensor:
        """``V_i`` as it is: the next stage strides itself."""
        return v


def _output_maps(backbone: nn.Module, images: Tensor) -> Sequence[Tensor]:
    """Return the backbone's own output for one small image.

    Raises:
        ConfigError: when it is not three or four maps.
    """
    name = type(backbone).__name__
    try:
        maps = backbone(images)
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        raise ConfigError(
            f'StagewiseAdapter: {name} does not take a {_PROBE_SIZE}x{_PROBE_SIZE} image. It needs '
            f'a backbone that maps images of any size to three or four maps. ({error})'
        ) from error
    is_maps = isinstance(maps, list | tuple) and all(
        isinstance(feature, Tensor) and feature.dim() == 4 for feature in maps
    )
    if not is_maps or len(maps) not in (3, 4):
        found = f'{len(maps)} maps' if is_maps else f'a {type(maps).__name__}'
        raise ConfigError(
            f'StagewiseAdapter: {name} returns {found}, but three or four maps [B, C, H, W] are '
            'needed. Set its out_indices, or name another backbone.'
        )
    return maps


def _find_stages(
    backbone: nn.Module, images: Tensor, maps: Sequence[Tensor]
) -> list[list[Step]] | None:
    """Return the steps of every stage, if one of the known ways leads to exactly these maps."""
    for steps in _candidates(backbone):
        try:
            stages = _group(steps, images, maps)
        except (AttributeError, RuntimeError, TypeError, ValueError):
            continue  # this way of running does not fit this backbone
        if stages is not None:
            return stages
    return None


def _group(
    steps: Sequence[Step], images: Tensor, maps: Sequence[Tensor]
) -> list[list[Step]] | None:
    """Cut the steps behind the places where the maps come out; None if they do not."""
    stages: list[list[Step]] = []
    waiting: list[Step] = []
    x = images
    for step in steps:
        x = step(x)
        waiting.append(step)
        if len(stages) < len(maps):
            wanted = maps[len(stages)]
            if x.shape == wanted.shape and torch.allclose(x, wanted, rtol=1e-4, atol=1e-5):
                stages.append(waiting)
                waiting = []
    return stages if len(stages) == len(maps) else None


def _candidates(backbone: nn.Module) -> Iterator[list[Step]]:
    """Ways to run a backbone step by step, by the attributes that OpenMMLab's backbones have."""
    if hasattr(backbone, 'res_layers'):  # ResNet, ResNeXt, Res2Net, ResNeSt, RegNet
        yield [functools.partial(_residual_stem, backbone), *_named(backbone, backbone.res_layers)]
    for attribute in ('cr_blocks', 'layers'):  # Darknet, CSPDarknet, MobileNetV2
        names = getattr(backbone, attribute, None)
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            yield _named(backbone, names)
            if hasattr(backbone, 'conv1'):
                yield [backbone.conv1, *_named(backbone, names)]
    levels = getattr(backbone, 'layers', None)
    if isinstance(levels, nn.ModuleList):  # MixVisionTransformer
        yield [functools.partial(_transformer_level, level) for level in levels]


def _named(backbone: nn.Module, names: Sequence[str]) -> list[Step]:
    return [getattr(backbone, name) for name in names]


def _residual_stem(backbone: nn.Module, x: Tensor) -> Tensor:
    if backbone.deep_stem:
        return backbone.maxpool(backbone.stem(x))
    return backbone.maxpool(backbone.relu(backbone.norm1(backbone.conv1(x))))


def _transformer_level(level: nn.ModuleList, x: Tensor) -> Tensor:
    patch_embedding, blocks, norm = level
    x, size = patch_embedding(x)
    for block in blocks:
        x = block(x, size)
    return norm(x).transpose(1, 2).unflatten(2, size)
