# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Data-parallel training with real processes, beside what the formula expects of them."""

from __future__ import annotations

import torch
import torch.distributed as distributed
from mmengine.optim import build_optim_wrapper
from torch.nn.parallel import DistributedDataParallel

from benchmarks.model import Workload, build_model, random_inputs
from benchmarks.timing import interleave, summarise
from magnet_mm.errors import ConfigError


def measure_ddp(workload: Workload) -> dict:
    """Measure ``DistributedDataParallel`` beside steps without communication; under torchrun.

    Every process runs ``workload.batch`` images. What is expected is the step without communication
    plus the measured all-reduce of a tensor of the gradient's size.

    Returns:
        ``processes``, ``gradient_bytes``, ``alone``, ``all_reduce``, ``ddp``: seconds (median, min,
        max); ``estimated``: seconds; ``error``: ``ddp / estimated - 1``.

    Raises:
        ConfigError: when not started by torchrun.
    """
    if not distributed.is_torchelastic_launched():
        raise ConfigError(
            '--mode ddp needs several processes: python -m torch.distributed.run '
            '--nproc_per_node 2 tools/analysis_tools/benchmark.py CONFIG --mode ddp'
        )
    cuda = workload.device.type == 'cuda'
    distributed.init_process_group('nccl' if cuda else 'gloo')
    try:
        return _measure_ddp(workload)
    finally:
        distributed.destroy_process_group()


def _measure_ddp(workload: Workload) -> dict:
    cfg = workload.read()
    model = build_model(cfg, workload).train()
    images, samples = random_inputs(cfg, workload)
    wrapped = DistributedDataParallel(_Losses(model))
    optimiser = build_optim_wrapper(model, cfg.optim_wrapper)
    gradient = torch.zeros(sum(p.numel() for p in model.parameters() if p.requires_grad))
    gradient = gradient.to(workload.device)

    def step() -> None:
        optimiser.update_params(wrapped(images, samples))

    def alone() -> None:
        with wrapped.no_sync():
            step()

    times = interleave(
        [alone, lambda: distributed.all_reduce(gradient), step], workload.device, workload.repeats
    )
    seconds = dict(zip(('alone', 'all_reduce', 'ddp'), map(summarise, times), strict=True))
    estimated = seconds['alone']['median'] + seconds['all_reduce']['median']
    return dict(
        config=workload.config,
        batch=workload.batch,
        processes=distributed.get_world_size(),
        gradient_bytes=gradient.numel() * gradient.element_size(),
        **seconds,
        estimated=estimated,
        error=seconds['ddp']['median'] / estimated - 1,
    )


class _Losses(torch.nn.Module):
    """Gives the loss a ``forward``, which is what DistributedDataParallel hooks."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images, samples):
        return self.model.parse_losses(self.model.loss(images, list(samples)))[0]
