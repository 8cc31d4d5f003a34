# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Splits a map into the body of what it shows and its edge (EFN; docs/methods/efn.md)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from magnet_mm.models.layers.cache import cache


class BodyEdgeSplit(nn.Module):
    """The body is the map warped by one affine transform per sample; the edge is what is left.

    ``t = up(down(x))``, ``f = mean(conv([x; t]))``, ``theta = W_2 relu(W_1 f)``, which starts at
    the identity; the warp samples with ``align_corners=False``, bilinearly, zero outside [C].

    Args:
        channels: of the map, ``C``.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down = nn.Sequential(*_halving(channels), *_halving(channels))
        self.flow = nn.Conv2d(2 * channels, channels, 3, padding=1, bias=False)
        self.locate = nn.Sequential(nn.Linear(channels, 32), nn.ReLU(), nn.Linear(32, 6))
        nn.init.zeros_(self.locate[-1].weight)
        with torch.no_grad():
            self.locate[-1].bias.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, C, H, W]`` to body and edge, ``[B, C, H, W]`` each; their sum is the input."""
        coarse = F.interpolate(self.down(x), x.shape[2:], mode='bilinear', align_corners=False)
        summary = self.flow(torch.cat([x, coarse], 1)).mean((2, 3))
        theta = self.locate(summary).unflatten(1, (2, 3))
        grid = F.affine_grid(theta, list(x.shape), align_corners=False)
        body = F.grid_sample(x, grid.to(x.dtype), align_corners=False)
        return body, x - body


def _halving(channels: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(channels, channels, 3, stride=2, padding=1, groups=channels),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )


def edge_band(masks: Tensor, radius: int = 2) -> Tensor:
    """Pixels within ``radius`` (Euclidean, in pixels) of a pixel of the other class.

    The same as ``0 < D <= radius`` with ``D`` the distance transform of the mask plus that of its
    complement, the surroundings of the image counting as background [C EFN]: one convolution with
    a disk counts the object's pixels in reach, exactly. An empty mask has no edge (our choice;
    there ``D`` is not defined).

    Args:
        masks: 0/1 floats ``[B, 1, H, W]``.
        radius: whole pixels; 2 [C].

    Returns:
        0/1 of the same shape and dtype.
    """
    disk = _disk(radius, masks.device).to(masks.dtype)
    count = F.conv2d(masks, disk, padding=radius)
    near_background = count < disk.sum() - 0.5
    near_object = count > 0.5
    return torch.where(masks > 0.5, near_background, near_object).to(masks.dtype)


@cache
def _disk(radius: int, device: torch.device) -> Tensor:
    """Kernel ``[1, 1, 2 radius + 1, 2 radius + 1]``, 1 within the radius, float32."""
    offset = torch.arange(-radius, radius + 1, device=device, dtype=torch.float32)
    inside = offset[:, None].square() + offset.square() <= radius**2
    return inside.float()[None, None]
