# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The forms of deformable attention against each other, at the size of MagNet's pixel decoder."""

from __future__ import annotations

import torch

from benchmarks.model import Workload
from benchmarks.timing import interleave, summarise
from magnet_mm.models.layers import deformable_attention
from magnet_mm.models.layers.gathered_attention import gather_deformable_attention
from magnet_mm.models.layers.sampled_attention import grid_sample_deformable_attention

_STRIDES, _HEADS, _CHANNELS, _POINTS = (32, 16, 8, 4), 8, 32, 4  # MagNet's: 256 channels, 8 heads


def measure_attention(workload: Workload) -> dict:
    """Measure one layer of every position over all levels, at a config's image size, in float32.

    Returns:
        ``forms``: seconds of ``forward`` and of a ``step`` (forward and backward) of ``gather``
        (taken on the CPU), ``grid_sample`` (taken elsewhere without mmcv's kernel) and, on an
        accelerator, of what is ``taken`` there.
    """
    height, width = workload.read().model.data_preprocessor.size
    shapes = [(height // stride, width // stride) for stride in _STRIDES]
    generator = torch.Generator().manual_seed(0)
    positions, levels = sum(h * w for h, w in shapes), len(shapes)
    sizes = (
        (workload.batch, positions, _HEADS, _CHANNELS),
        (workload.batch, positions, _HEADS, levels, _POINTS, 2),
        (workload.batch, positions, _HEADS, levels, _POINTS),
    )
    inputs = [
        torch.rand(size, generator=generator).to(workload.device).requires_grad_() for size in sizes
    ]
    forms = dict(gather=gather_deformable_attention, grid_sample=grid_sample_deformable_attention)
    if workload.device.type != 'cpu':
        forms['taken'] = deformable_attention

    def forward(form) -> None:
        with torch.inference_mode():
            form(inputs[0], shapes, *inputs[1:])

    def step(form) -> None:
        form(inputs[0], shapes, *inputs[1:]).sum().backward()

    result: dict[str, dict] = {name: {} for name in forms}
    for kind, run in (('forward', forward), ('step', step)):
        calls = [lambda form=form, run=run: run(form) for form in forms.values()]
        times = interleave(calls, workload.device, workload.repeats)
        for name, seconds in zip(forms, times, strict=True):
            result[name][kind] = summarise(seconds)
    return dict(config=workload.config, batch=workload.batch, forms=result)
