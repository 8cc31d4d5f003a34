# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Forward passes and training steps of a config's model on random inputs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from benchmarks.machine import matmul_peak, peak_memory
from benchmarks.operations import count_operations
from benchmarks.parts import time_parts
from benchmarks.timing import interleave, summarise
from magnet_mm.engine.hooks.activation_checkpoint_hook import checkpoint_activations
from magnet_mm.engine.run_setup import runtime


@dataclass
class Workload:
    """What is measured.

    Attributes:
        config: path of the config.
        device: where.
        dtype: float32, or bfloat16: the weights' type in a forward pass, autocast in training.
        batch: images (each with its sentence).
        repeats: timed calls.
        compiled: through ``torch.compile``: all of a forward pass, the encoder of a training step.
        checkpointing: activations are computed again in the backward pass
            (:class:`ActivationCheckpointHook`).
        channels_last: weights and images with the channels innermost.
        tokens: length of the padded sentences.
        options: values of ``--cfg-options``.
    """

    config: str
    device: torch.device
    dtype: torch.dtype = torch.float32
    batch: int = 1
    repeats: int = 5
    compiled: bool = False
    checkpointing: bool = False
    channels_last: bool = False
    tokens: int = 20
    options: dict | None = None

    def read(self) -> Config:
        """Return the config, fitted to the machine; nothing pretrained is loaded."""
        cfg = runtime.load_config(self.config, self.options)
        runtime.fit_to_machine(cfg, training=True)
        return cfg


def measure_forward(*workloads: Workload) -> list[dict]:
    """``predict_logits`` of each workload; two or more take turns.

    Returns:
        One dict per workload: ``seconds`` (median, min, max), ``images_per_second``,
        ``operations``, ``peak`` (operations per second of a matrix product, same device and
        dtype), ``mfu`` (operations per second over the peak), ``memory_bytes``, ``parts``.
    """
    return _measure([_forward(workload) for workload in workloads], workloads)


def measure_train(*workloads: Workload) -> list[dict]:
    """Measure a complete step of each workload: losses, backward, gradient clipping, optimiser.

    Returns:
        As :func:`measure_forward`.
    """
    # The second step is the first with the optimiser's states in memory.
    return _measure([_train(workload) for workload in workloads], workloads, warmup=2)


def _forward(workload: Workload) -> tuple[nn.Module, Callable[[], object], Callable[[], object]]:
    """Model, what is timed, and the same without ``torch.compile``."""
    cfg = workload.read()
    model = build_model(cfg, workload).eval().requires_grad_(False).to(workload.dtype)
    images, samples = random_inputs(cfg, workload)
    images = images.to(workload.dtype)
    text = stack_inputs(samples)
    compiled = torch.compile(model.predict_logits) if workload.compiled else None

    def run(predict: Callable) -> None:
        with torch.inference_mode():
            predict(images, *text)

    return model, lambda: run(compiled or model.predict_logits), lambda: run(model.predict_logits)


def _train(workload: Workload) -> tuple[nn.Module, Callable[[], object], Callable[[], object]]:
    training = Training(workload)
    model = training.model
    encode = model.extract_feat
    # As CompileHook does; the losses read Python data samples and stay as they are.
    compiled = torch.compile(encode) if workload.compiled else encode

    def step(encoder: Callable) -> None:
        model.extract_feat = encoder
        training.optimiser.update_params(training.loss())

    return model, lambda: step(compiled), lambda: step(encode)


class Training:
    """A config's model in training on one batch of random inputs.

    Attributes:
        model: the model.
        optimiser: its optimiser wrapper.
    """

    def __init__(self, workload: Workload) -> None:
        cfg = workload.read()
        self.workload = workload
        self.model = build_model(cfg, workload).train()
        if workload.checkpointing:
            checkpoint_activations(self.model)
        self.optimiser = build_optim_wrapper(self.model, cfg.optim_wrapper)
        self.images, self.samples = random_inputs(cfg, workload)

    def loss(self) -> Tensor:
        """Return the sum of all losses, bfloat16 through autocast."""
        with torch.autocast(
            self.workload.device.type, torch.bfloat16, enabled=self.workload.dtype == torch.bfloat16
        ):
            losses = self.model.loss(self.images, copy.copy(self.samples))
            return self.model.parse_losses(losses)[0]


def _measure(built: list[tuple], workloads: tuple[Workload, ...], warmup: int = 1) -> list[dict]:
    device = workloads[0].device
    peaks = {w.dtype: matmul_peak(device, w.dtype) for w in workloads}
    seconds = interleave([call for _, call, _ in built], device, workloads[0].repeats, warmup)
    results = []
    for (model, call, plain), workload, times in zip(built, workloads, seconds, strict=True):
        with peak_memory(device) as memory:
            call()
        operations = count_operations(plain)
        # The best of before and after: a machine that was busy at one of them is no slower.
        peak = max(peaks[workload.dtype], matmul_peak(device, workload.dtype))
        median = summarise(times)['median']
        results.append(
            dict(
                config=workload.config,
                dtype=str(workload.dtype).removeprefix('torch.'),
                batch=workload.batch,
                compiled=workload.compiled,
                checkpointing=workload.checkpointing,
                seconds=summarise(times),
                images_per_second=workload.batch / median,
                operations=operations,
                peak=peak,
                mfu=operations / median / peak,
                memory_bytes=memory['bytes'],
                gradient_bytes=gradient_bytes(model),
                parts=time_parts(model, plain, device),
            )
        )
    return results


def build_model(cfg: Config, workload: Workload) -> nn.Module:
    """Return the config's model with random weights, on the workload's device."""
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).to(workload.device)
    return model.to(memory_format=torch.channels_last) if workload.channels_last else model


def gradient_bytes(model: nn.Module) -> int:
    """Bytes of the float32 gradients of all trained parameters."""
    return sum(p.numel() * 4 for p in model.parameters() if p.requires_grad)


def random_inputs(cfg: Config, workload: Workload) -> tuple[Tensor, list[SegDataSample]]:
    """Random images ``[B, 3, H, W]`` at the config's input size, words, and a square object."""
    height, width = cfg.model.data_preprocessor.size
    text = cfg.model.backbone.text
    vocabulary = text.get('config', {}).get('vocab_size', text.get('vocabulary_size', 1000))
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(workload.batch, 3, height, width, generator=generator)
    samples = []
    for _ in range(workload.batch):
        mask = torch.zeros(1, height, width, dtype=torch.uint8)
        mask[:, height // 4 : height // 2, width // 4 : width // 2] = 1
        sample = SegDataSample(gt_sem_seg=PixelData(data=mask))
        sample.input_ids = torch.randint(5, vocabulary, (workload.tokens,), generator=generator)
        sample.attention_mask = torch.ones(workload.tokens, dtype=torch.int64)
        sample.special_tokens_mask = torch.zeros(workload.tokens, dtype=torch.int64)
        samples.append(sample.to(workload.device))
    if workload.channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    return images.to(workload.device), samples


def stack_inputs(samples: list[SegDataSample]) -> list[Tensor]:
    """``input_ids`` and ``attention_mask [B, T]``, as ``predict_logits`` takes them."""
    return [torch.stack([s.get(n) for s in samples]) for n in ('input_ids', 'attention_mask')]
