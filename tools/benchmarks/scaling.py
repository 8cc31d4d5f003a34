# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Data-parallel training: an estimate from one device's step, and a check with real processes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as distributed
from mmengine.optim import build_optim_wrapper
from torch.nn.parallel import DistributedDataParallel

from benchmarks.model import Workload, build_model, random_inputs
from benchmarks.timing import interleave, summarise
from magnet_mm.errors import ConfigError


@dataclass
class Cluster:
    """What is assumed of a cluster; nothing here is measured.

    Attributes:
        name: for the table.
        devices: number of GPUs.
        bandwidth: bytes per second that a ring all-reduce moves through the slowest link.
    """

    name: str
    devices: int
    bandwidth: float


# NVLink at 200 GB/s, and 25 GB/s per node (200 Gbit/s InfiniBand) where the ring leaves the node.
CLUSTERS = (
    Cluster('8 GPUs, one node', 8, 200e9),
    Cluster('32 GPUs, four nodes', 32, 25e9),
)


def all_reduce_seconds(gradient_bytes: float, devices: int, bandwidth: float) -> float:
    """Ring all-reduce: every device sends ``2 (n - 1) / n`` of the gradient."""
    return 2 * (devices - 1) / devices * gradient_bytes / bandwidth


def estimate(step_seconds: float, batch: int, gradient_bytes: float, cluster: Cluster) -> dict:
    """Measure a data-parallel step, no communication hidden behind the backward pass.

    Args:
        step_seconds: one device's step.
        batch: images per device.
        gradient_bytes: of all trained parameters.
        cluster: devices and bandwidth.

    Returns:
        ``step_seconds``, ``all_reduce_seconds``, ``images_per_second`` of all devices,
        ``efficiency`` (share of ``devices`` times one device).
    """
    communication = all_reduce_seconds(gradient_bytes, cluster.devices, cluster.bandwidth)
    step = step_seconds + communication
    return dict(
        cluster=cluster.name,
        step_seconds=step,
        all_reduce_seconds=communication,
        images_per_second=cluster.devices * batch / step,
        efficiency=step_seconds / step,
    )


def measure_ddp(workload: Workload) -> dict:
    """Measure ``DistributedDataParallel`` beside steps without communication; under torchrun.

    Every process runs ``workload.batch`` images. The estimate is the step without communication
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
