# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Memory of a training step: what is kept for the backward pass, and the peaks."""

from __future__ import annotations

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from benchmarks.machine import peak_memory
from benchmarks.model import Training, Workload, gradient_bytes


def measure_memory(workload: Workload) -> dict:
    """Measure the first and the second training step of a config on random inputs.

    On the CPU the peaks are resident memory, in which what the C library keeps for later counts;
    ``return_freed_memory`` of :mod:`magnet_mm.engine.run_setup.host_memory` keeps that small.

    Returns:
        ``kept_bytes``: held for the backward pass, parameters and buffers not counted;
        ``gradient_bytes``; ``loss_and_gradients_bytes``: peak of the first forward and backward
        pass, without states of the optimiser; ``step_bytes``: peak of a whole step with them.
    """
    training = Training(workload)
    with peak_memory(workload.device) as first:
        loss, kept = _loss_and_kept(training)
        loss.backward()
    training.optimiser.step()
    training.optimiser.zero_grad()
    with peak_memory(workload.device) as second:
        training.optimiser.update_params(training.loss())
    return dict(
        config=workload.config,
        dtype=str(workload.dtype).removeprefix('torch.'),
        batch=workload.batch,
        checkpointing=workload.checkpointing,
        kept_bytes=kept,
        gradient_bytes=gradient_bytes(training.model),
        loss_and_gradients_bytes=first['bytes'],
        step_bytes=second['bytes'],
    )


def _loss_and_kept(training: Training) -> tuple[torch.Tensor, int]:
    """Return the loss, and the bytes that its graph holds beside the model's own."""
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        loss = training.loss()
    for place in _own_storages(training.model):
        kept.pop(place, None)
    return loss, sum(kept.values())


def _own_storages(model: nn.Module) -> set[int]:
    return {
        tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())
    }
