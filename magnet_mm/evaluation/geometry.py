# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The one way from the network's input back to the original image.

An input may hold the image resized, letterboxed, and padded to a batch's size. What was done stands
in the sample: ``ori_shape`` and ``img_shape`` (height, width in pixels), ``letterbox``
(``magnet_mm.datasets.transforms.Letterbox``) and ``img_padding_size`` (mmseg's data preprocessor).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from magnet_mm.errors import DataError
from magnet_mm.evaluation.foreground import ForegroundRule

_RECORD = ('img_shape', 'ori_shape')


def without_padding(maps: Tensor, metainfo: Mapping[str, Any]) -> Tensor:
    """Cut off what the data preprocessor padded, ``[..., H, W]`` to ``[..., *img_shape]``.

    Maps that have the size ``img_shape`` are returned as they are.

    Raises:
        DataError: if the maps have neither the padded size nor ``img_shape``, or that is not known.
    """
    _check_record(metainfo)
    height, width = metainfo['img_shape'][:2]
    if tuple(maps.shape[-2:]) == (height, width):
        return maps
    left, right, top, bottom = metainfo.get('img_padding_size', (0, 0, 0, 0))
    if tuple(maps.shape[-2:]) != (height + top + bottom, width + left + right):
        raise DataError(
            f'The maps of {metainfo.get("img_path", "an image")} are {tuple(maps.shape[-2:])}, but '
            f'its input was {(height, width)} (height, width) and padded by {left}, {right}, {top},'
            f' {bottom} (left, right, top, bottom): record img_shape after the last transform that '
            'changes the size.'
        )
    return maps[..., top : top + height, left : left + width]


def to_original(
    maps: Tensor, metainfo: Mapping[str, Any], mode: str = 'bilinear', align_corners: bool = True
) -> Tensor:
    """Take maps of the network's input back to the original image.

    Padding and letterbox are cut off, what is left is resized.

    Args:
        maps: logits or masks ``[..., H, W]``; float for ``bilinear``.
        metainfo: of the sample, see this module's text.
        mode: ``bilinear`` for logits, ``nearest-exact`` for masks.
        align_corners: for ``bilinear``; the foreground rule says which.

    Returns:
        ``[..., *ori_shape]``.

    Raises:
        DataError: without a record of the geometry, or where it does not fit the maps.
    """
    size = tuple(metainfo.get('ori_shape', ())[:2])
    maps = _content(maps, metainfo)
    return _resize(maps, size, mode, align_corners)


def original_foreground(logits: Tensor, sample: Mapping[str, Any]) -> tuple[Tensor, ForegroundRule]:
    """Take a predicted sample's logits to its image, for metric, inferencer and pictures alike.

    Args:
        logits: the sample's ``seg_logits [C, H, W]``.
        sample: the rule and the record of the geometry, see this module's text.

    Returns:
        Foreground logits ``[*ori_shape]``, float32, and the rule that makes a mask of them.

    Raises:
        ConfigError: for channels that do not fit the rule.
        DataError: as :func:`to_original`.
    """
    rule = ForegroundRule.of(sample, logits.shape[0])
    foreground = rule.foreground(logits.float())
    return to_original(foreground, sample, align_corners=rule.align_corners), rule


def to_other_input(
    maps: Tensor,
    metainfo: Mapping[str, Any],
    other: Mapping[str, Any],
    fill: float,
    align_corners: bool = True,
) -> Tensor:
    """Take maps of one input of an image to where another input of it has the image.

    Args:
        maps: float ``[..., H, W]``.
        metainfo: of the sample that the maps belong to.
        other: of the sample whose input is the target.
        fill: value outside the image.
        align_corners: how the maps are resized.

    Returns:
        ``[..., *img_shape]`` of ``other``.

    Raises:
        DataError: as :func:`to_original`.
    """
    content = _content(maps, metainfo)
    _check_record(other)
    height, width = other['img_shape'][:2]
    top, left, inner_height, inner_width = other.get('letterbox', (0, 0, height, width))
    resized = _resize(content, (inner_height, inner_width), 'bilinear', align_corners)
    padding = (left, width - left - inner_width, top, height - top - inner_height)
    return F.pad(resized, padding, value=fill) if any(padding) else resized


def _content(maps: Tensor, metainfo: Mapping[str, Any]) -> Tensor:
    """Cut out the part of the maps that shows the image."""
    maps = without_padding(maps, metainfo)
    top, left, height, width = metainfo.get('letterbox', (0, 0, *maps.shape[-2:]))
    content = maps[..., top : top + height, left : left + width]
    if tuple(content.shape[-2:]) != (height, width):
        raise DataError(
            f'The letterbox {metainfo["letterbox"]} (top, left, height, width) of '
            f'{metainfo.get("img_path", "an image")} does not fit its input of '
            f'{tuple(maps.shape[-2:])} pixels: nothing may be resized after Letterbox.'
        )
    return content


def _resize(maps: Tensor, size: tuple[int, int], mode: str, align_corners: bool) -> Tensor:
    if tuple(maps.shape[-2:]) == size:
        return maps
    flat = maps.reshape(-1, 1, *maps.shape[-2:])
    corners = dict(align_corners=align_corners) if mode == 'bilinear' else {}
    return F.interpolate(flat, size, mode=mode, **corners).view(*maps.shape[:-2], *size)


def _check_record(metainfo: Mapping[str, Any]) -> None:
    absent = [name for name in _RECORD if name not in metainfo]
    if absent:
        raise DataError(
            f'The sample of {metainfo.get("img_path", "an image")} does not say '
            f'{" and ".join(absent)}: nothing tells where its image lies in the input. Let '
            'LoadReferringImage load it, and end the pipeline with PackReferringInputs, whose '
            'meta_keys must keep both.'
        )
