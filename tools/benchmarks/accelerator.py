# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A system on one accelerator: forward passes and training steps in the ways that matter there."""

from __future__ import annotations

import gc
import importlib.util
from collections.abc import Callable
from dataclasses import replace

import torch

from benchmarks.model import (
    Workload,
    build_model,
    measure_forward,
    measure_train,
    random_inputs,
    stack_inputs,
)

_FORWARD_BATCHES = (1, 16)


def measure_accelerator(workload: Workload) -> dict:
    """Measure a config on the workload's device, in its dtype.

    ``workload.batch`` is the training batch; where it does not fit it is halved. Forward passes run
    at batch 1 and 16, training steps plain, compiled, with channels-last weights, and where the
    config trains with AdamW with torch's fused step and with bitsandbytes' 8-bit one, if that is
    installed.

    Returns:
        ``rows``: what :func:`measure_forward` and :func:`measure_train` give, each with ``kind``
        and ``variant``; ``difference``: largest difference of float32 mask logits to those of the
        CPU, as a share of the largest logit.
    """
    rows = []
    for batch in _FORWARD_BATCHES:
        measured = _largest_that_fits(measure_forward, replace(workload, batch=batch))
        rows.append(dict(measured, kind='forward', variant='plain'))
    for variant, changes in _training_variants(workload):
        measured = _largest_that_fits(measure_train, replace(workload, **changes))
        rows.append(dict(measured, kind='train', variant=variant))
    return dict(
        config=workload.config, batch=workload.batch, rows=rows, difference=cpu_difference(workload)
    )


def _training_variants(workload: Workload) -> list[tuple[str, dict]]:
    variants: list[tuple[str, dict]] = [
        ('plain', {}),
        ('compiled', dict(compiled=True)),
        ('channels-last', dict(channels_last=True)),
    ]
    optimiser = workload.read().optim_wrapper.optimizer
    given = workload.options or {}
    if optimiser.type == 'AdamW':
        fused = {**given, 'optim_wrapper.optimizer.fused': True}
        variants.append(('fused AdamW', dict(options=fused)))
        if importlib.util.find_spec('bitsandbytes'):
            # Registered by mmengine; it knows no fused step.
            plain = {key: value for key, value in optimiser.items() if key != 'fused'}
            small = {'_delete_': True, **plain, 'type': 'AdamW8bit'}
            variants.append(
                ('8-bit AdamW', dict(options={**given, 'optim_wrapper.optimizer': small}))
            )
    return variants


def _largest_that_fits(measure: Callable[[Workload], list[dict]], workload: Workload) -> dict:
    """Measure, with half the batch again and again where the memory is not enough."""
    while True:
        try:
            return measure(workload)[0]
        except torch.cuda.OutOfMemoryError:
            if workload.batch == 1:
                raise
        workload = replace(workload, batch=workload.batch // 2)
        gc.collect()
        torch.cuda.empty_cache()


def cpu_difference(workload: Workload) -> float:
    """Largest difference between float32 mask logits here and on the CPU, over the largest logit.

    TF32 is off: it rounds the factors of matrix products and convolutions to 10 bits.
    """
    cfg = workload.read()
    both = []
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False), torch.inference_mode():
        torch.backends.cuda.matmul.allow_tf32 = False
        for device in (torch.device('cpu'), workload.device):
            there = replace(workload, device=device, batch=2)
            model = build_model(cfg, replace(there, device=torch.device('cpu'))).eval().to(device)
            images, samples = random_inputs(cfg, there)
            both.append(model.predict_logits(images, *stack_inputs(samples)).cpu())
    return ((both[0] - both[1]).abs().max() / both[0].abs().max()).item()
