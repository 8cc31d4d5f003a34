# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""``torch.compile`` of the part of the model that is tensors alone."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmseg.registry import HOOKS

from magnet_mm.errors import ConfigError


@HOOKS.register_module()
class CompileHook(Hook):
    """Compiles the encoder (image, text and fusion) in training, validation and test.

    mmengine's ``compile = True`` compiles the whole training step, which reads Python data samples
    and breaks into many graphs; the encoder is one. The first steps of each new input size take
    minutes. Weights and checkpoints are those of the plain model.

    Args:
        options: keyword arguments of ``torch.compile``, such as ``dict(mode='max-autotune')``.
    """

    def __init__(self, options: dict[str, Any] | None = None) -> None:
        self.options = options or {}

    def before_run(self, runner: Any) -> None:
        """Replace the model's ``extract_feat``.

        Raises:
            ConfigError: Beside activation checkpointing, which torch cannot compile in this form.
        """
        refuse_with_checkpointing(runner)
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        model.extract_feat = torch.compile(model.extract_feat, **self.options)
        print_log('The encoder is compiled: the first steps take long.')


def refuse_with_checkpointing(runner: Any) -> None:
    """Raise ConfigError where a run both compiles and recomputes activations."""
    hooks = {type(hook).__name__ for hook in getattr(runner, 'hooks', ())}
    config = getattr(runner, 'cfg', {})  # a runner that was built by hand may have neither
    compiling = 'CompileHook' if 'CompileHook' in hooks else 'compile'
    recomputing = (
        'ActivationCheckpointHook'
        if 'ActivationCheckpointHook' in hooks
        else 'activation_checkpointing'
    )
    compiles = compiling in hooks or bool(config.get('compile'))
    recomputes = recomputing in hooks or bool(config.get('activation_checkpointing'))
    if compiles and recomputes:
        raise ConfigError(
            f'{compiling} and {recomputing} do not work together: torch.compile cannot trace the '
            'second forward pass. Leave out one: the first saves time, the second memory.'
        )
