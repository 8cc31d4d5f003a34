# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What a device promises: equal runs, equal resumed runs, and collectives of one process."""

from __future__ import annotations

import copy
import io
import os
import tempfile
from pathlib import Path

import torch
import torch.distributed as distributed

from benchmarks.model import Training, Workload

_STEPS = 6  # three before a checkpoint and three after it


def check_device(workload: Workload) -> dict:
    """Check a device with a small config.

    Returns:
        ``repeated`` and ``resumed``: largest difference of the weights after six training steps
        between two runs, and between a run and one that was saved and loaded after three (0.0:
        equal bit for bit); ``backend``: of the collectives; ``all_reduce`` and ``gather_object``:
        whether they gave back what was put in.
    """
    straight = _weights(_train(workload, range(_STEPS)))
    repeated = _weights(_train(workload, range(_STEPS)))
    saved = io.BytesIO()
    torch.save(_state(_train(workload, range(_STEPS // 2))), saved)
    saved.seek(0)
    resumed = _weights(_train(workload, range(_STEPS // 2, _STEPS), saved))
    return dict(
        config=workload.config,
        batch=workload.batch,
        repeated=_difference(straight, repeated),
        resumed=_difference(straight, resumed),
        **_collectives(workload.device),
    )


def _train(workload: Workload, steps: range, saved: io.BytesIO | None = None) -> Training:
    """Run these steps; random numbers depend on the step alone (``EpochSeedHook``'s rule)."""
    training = Training(workload)
    if saved is not None:
        state = torch.load(saved, weights_only=True, map_location=workload.device)
        training.model.load_state_dict(state['model'])
        training.optimiser.load_state_dict(state['optimiser'])
    for step in steps:
        torch.manual_seed(step)
        training.optimiser.update_params(training.loss())
    return training


def _state(training: Training) -> dict:
    return dict(model=training.model.state_dict(), optimiser=training.optimiser.state_dict())


def _weights(training: Training) -> dict[str, torch.Tensor]:
    return copy.deepcopy({name: p.detach().cpu() for name, p in training.model.named_parameters()})


def _difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return max((one[name] - other[name]).abs().max().item() for name in one)


def _collectives(device: torch.device) -> dict:
    """Run collectives in a process group of this process alone."""
    backend = 'nccl' if device.type == 'cuda' else 'gloo'
    with tempfile.TemporaryDirectory() as folder:
        store = distributed.FileStore(str(Path(folder) / 'store'), 1)
        distributed.init_process_group(backend, store=store, rank=0, world_size=1)
        try:
            number = torch.arange(4.0, device=device)
            summed = number.clone()
            distributed.all_reduce(summed)
            item = dict(process=os.getpid(), mask=b'\0\1')
            gathered = [None]
            distributed.gather_object(item, gathered)
        finally:
            distributed.destroy_process_group()
    return dict(
        backend=backend,
        all_reduce=bool(torch.equal(summed, number)),
        gather_object=gathered == [item],
    )
