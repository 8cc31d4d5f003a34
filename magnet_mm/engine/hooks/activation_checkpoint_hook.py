# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Gradient (activation) checkpointing of parts of a model, chosen by their names."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmseg.registry import HOOKS
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from magnet_mm.engine.hooks.compile_hook import refuse_with_checkpointing
from magnet_mm.errors import ConfigError

SHIPPED_PARTS = (
    'backbone.visual.stages.*.blocks.*',  # Swin
    'backbone.visual.layer?.*',  # ResNet: residual blocks
    'backbone.visual.conv_res_block?',  # Darknet: stages
    'backbone.text.encoder.layer.*',  # BERT
    'backbone.fusion.*',  # one per stage
    'decode_head.pixel_decoder.encoder.layers.*',  # MagNet
    'decode_head.transformer_decoder.layers.*',  # MagNet
    'decode_head.levels.*',  # LAVT
)
"""Names of the repeated blocks of the shipped models (fnmatch patterns)."""


@HOOKS.register_module()
class ActivationCheckpointHook(Hook):
    """Keeps only the inputs of the named modules in training, and computes the rest twice.

    It saves memory and costs time; losses and gradients stay the same, with dropout too (the
    generators are restored for the second pass).

    mmengine's ``activation_checkpointing`` does the same in principle, but passes no keyword
    arguments on (Mask2Former's layers get nothing else) and lets batch norm see every batch twice;
    mmseg's ``with_cp`` exists in the visual backbones only. Here the second pass leaves the running
    statistics of batch norm alone.

    Args:
        modules: fnmatch patterns of module names. Of nested modules that match, the outermost is
            checkpointed. None means :data:`SHIPPED_PARTS`, where patterns without a match are
            those of other methods.

    Raises:
        ConfigError: At the start of the training, if a pattern of ``modules`` (of
            :data:`SHIPPED_PARTS`: every one) matches no module.
    """

    def __init__(self, modules: Sequence[str] | None = None) -> None:
        """See the class."""
        self.modules = modules

    def before_run(self, runner: Any) -> None:
        """Refuse to run beside ``torch.compile``."""
        refuse_with_checkpointing(runner)

    def before_train(self, runner: Any) -> None:
        """Wrap the modules' ``forward``; parameters and their names stay as they are."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        wrapped = checkpoint_activations(model, self.modules)
        print_log(f'Activations of {len(wrapped)} modules are computed again in the backward pass.')


def checkpoint_activations(model: nn.Module, modules: Sequence[str] | None = None) -> list[str]:
    """Wrap ``forward`` of the named modules of a model, in place; see the hook.

    Returns:
        The names of the wrapped modules.
    """
    chosen: list[str] = []
    unmatched = set(SHIPPED_PARTS if modules is None else modules)
    for name, module in model.named_modules():  # parents come before their children
        matching = {p for p in modules or SHIPPED_PARTS if name and fnmatchcase(name, p)}
        unmatched -= matching
        if matching and not any(name.startswith(f'{parent}.') for parent in chosen):
            chosen.append(name)
            module.forward = functools.partial(_recomputed, module, module.forward)
    if not chosen or (unmatched and modules is not None):
        raise ConfigError(
            f'ActivationCheckpointHook: no module of the model is named {sorted(unmatched)}. Print '
            '[name for name, _ in model.named_modules()] for the names it has.'
        )
    return chosen


def _recomputed(module: nn.Module, forward: Any, *args: Any, **kwargs: Any) -> Any:
    if not module.training:
        return forward(*args, **kwargs)
    return checkpoint(
        forward,
        *args,
        use_reentrant=False,  # the reentrant form takes no keyword arguments
        context_fn=lambda: (contextlib.nullcontext(), _frozen_statistics(module)),
        **kwargs,
    )


@contextlib.contextmanager
def _frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Batch norm normalises by the batch, as before, but does not count it a second time."""
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    before = [(norm.momentum, norm.num_batches_tracked.clone()) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # running = 1 * running + 0 * batch
    try:
        yield
    finally:
        for norm, (momentum, batches) in zip(norms, before, strict=True):
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(batches)
