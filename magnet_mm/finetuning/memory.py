# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""How much memory a training step takes, and how much there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmengine.device import get_device
from torch import Tensor, nn

MEMINFO = Path('/proc/meminfo')
# Gradient and AdamW's two moments beside the weight, 4 bytes each.
_STATE_BYTES = 16
# What a step takes beside what it keeps: workspaces, fragments (our choice).
_SPARE = 1.5


def step_memory(model: nn.Module, batch: Any, items: int) -> tuple[int, int]:
    """Measure what a training step keeps for its backward pass.

    Every tensor that autograd saves is counted once, the weights not at all, so that the numbers
    are the same on every device.

    Args:
        model: The model, which is left with gradients of nothing; batch norms see the batch.
        batch: Collated samples, as a dataloader gives them.
        items: Samples in it.

    Returns:
        Bytes of the model and its optimiser, and bytes per sample.
    """
    parameters = list(model.parameters())
    known = {one.untyped_storage().data_ptr() for one in (*parameters, *model.buffers())}
    saved: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    model.train()
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        losses = model(**model.data_preprocessor(batch, True), mode='loss')
    model.parse_losses(losses)
    trained = sum(one.numel() for one in parameters if one.requires_grad)
    fixed = _STATE_BYTES * trained + sum(4 * one.numel() for one in parameters)
    return fixed, int(_SPARE * sum(saved.values()) / items)


def free_memory() -> int | None:
    """Return the free bytes of the accelerator, or of this machine; None where nothing says it."""
    if get_device() == 'cuda':
        return torch.cuda.mem_get_info()[0]
    try:
        lines = MEMINFO.read_text(encoding='ascii').splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if 'MemAvailable' in line)
    except (OSError, StopIteration):
        return None
