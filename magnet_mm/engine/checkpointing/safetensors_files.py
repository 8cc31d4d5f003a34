# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Weights as safetensors: tensors by name and a few strings, nothing that could run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from magnet_mm.atomic_files import write_atomically
from magnet_mm.engine.checkpointing.no_target_threshold import KEY
from magnet_mm.errors import CheckpointError

SUFFIX = '.safetensors'


def write_safetensors(
    path: str | os.PathLike[str],
    state_dict: Mapping[str, Tensor],
    half: bool = False,
    no_target_threshold: float | None = None,
) -> None:
    """Write weights; the file appears complete or not at all.

    Args:
        path: The file.
        state_dict: Tensors by name.
        half: Round floating-point tensors to float16.
        no_target_threshold: See :mod:`magnet_mm.engine.checkpointing.no_target_threshold`.

    Raises:
        CheckpointError: A weight is NaN, or infinite (in float16 from 65,520 on).
    """
    tensors = {}
    for key, value in state_dict.items():
        floating = value.is_floating_point()
        value = value.detach().cpu().to(torch.float16 if half and floating else value.dtype)
        if floating and not value.isfinite().all():
            raise CheckpointError(
                f'{path}: {key} holds NaN or infinity'
                + (' in float16. Write the weights without half.' if half else '.')
            )
        tensors[key] = value.clone(memory_format=torch.contiguous_format)  # no shared memory
    threshold = {} if no_target_threshold is None else {KEY: repr(no_target_threshold)}
    write_atomically(path, save(tensors, {'format': 'pt', **threshold}))


def read_safetensors(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read weights as mmengine's checkpoints hold them: ``state_dict`` and ``meta``, on the CPU.

    Raises:
        CheckpointError: The file is damaged.
    """
    try:
        with safe_open(os.fspath(path), framework='pt') as file:
            meta = file.metadata() or {}
            state_dict = {key: file.get_tensor(key) for key in file.keys()}
        threshold = {KEY: float(meta[KEY])} if KEY in meta else {}
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(
            f'{path} is damaged or incomplete ({error}). Download or copy it again.'
        ) from error
    return dict(state_dict=state_dict, meta=threshold)
