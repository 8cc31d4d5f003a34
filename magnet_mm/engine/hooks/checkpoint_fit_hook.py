# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Stops a run whose checkpoint does not fit the model, instead of leaving random weights in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import BaseLoop
from mmseg.registry import HOOKS

from magnet_mm.errors import CheckpointError

_SHOWN = 20


@HOOKS.register_module()
class CheckpointFitHook(Hook):
    """Compares a loaded checkpoint with the model, key by key and shape by shape.

    mmengine only logs a warning when keys differ, and a test then reports the score of partly
    random weights. This hook makes it an error.

    Args:
        training_only: Prefixes of the parts that a test does not need: their keys may be absent
            from the checkpoint, or from the model, unless a run is resumed. Defaults to
            ``('auxiliary_head.',)``.
        allow_partial: Let a training start (``load_from``) from weights that fit in part; the keys
            that do not are logged. Set ``default_hooks.checkpoint_fit.allow_partial=True`` for
            that run. A test, a resume, and weights that do not fit at all stay errors.
    """

    priority = 'LOWEST'

    def __init__(
        self, training_only: Sequence[str] = ('auxiliary_head.',), allow_partial: bool = False
    ) -> None:
        """See the class."""
        self.allow_partial = allow_partial
        self.training_only = tuple(training_only)

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Check the keys before the weights are copied.

        Raises:
            CheckpointError: With the missing, unexpected and wrongly shaped keys.
        """
        state_dict = checkpoint.get('state_dict', checkpoint)
        if not isinstance(state_dict, Mapping):
            raise CheckpointError(
                f"The checkpoint's state_dict is a {type(state_dict).__name__}, not a dict."
            )
        loaded = {re.sub(r'^module\.', '', str(key)): value for key, value in state_dict.items()}
        expected = unwrap(runner.model).state_dict()
        # a built train loop means that Runner.train() is loading; Runner.test() never builds it
        training = isinstance(runner._train_loop, BaseLoop)
        starting = training and not runner._resume
        if starting and not set(loaded) & set(expected):
            raise CheckpointError(
                'No key of the checkpoint is a key of the model, so nothing would be loaded. '
                f'The checkpoint has {_listing(loaded)}; the model has {_listing(expected)}.'
            )
        optional = self.training_only if starting or not training else ()
        problems = compare_state_dicts(expected, loaded, optional)
        if problems and starting and self.allow_partial:
            runner.logger.warning(
                'Training starts from weights that fit in part (allow_partial=True):\n'
                + '\n'.join(problems)
            )
        elif problems:
            raise CheckpointError(
                'The checkpoint does not fit the model:\n'
                + '\n'.join(problems)
                + '\nUse the config that the checkpoint was trained with; released checkpoints are '
                'converted first (tools/model_converters). To start a training from the part that '
                'fits: --cfg-options default_hooks.checkpoint_fit.allow_partial=True'
            )


def compare_state_dicts(
    expected: Mapping[str, torch.Tensor],
    loaded: Mapping[str, torch.Tensor],
    training_only: tuple[str, ...] = (),
) -> list[str]:
    """Describe how ``loaded`` differs from ``expected``; an empty list when it fits.

    Args:
        expected: The model's state dict.
        loaded: The checkpoint's state dict. Batch norm's ``num_batches_tracked`` may be absent.
        training_only: Prefixes of keys that may be absent on either side.
    """
    missing = [
        key
        for key in expected
        if key not in loaded
        and not key.startswith(training_only or ('\0',))
        and not key.endswith('num_batches_tracked')
    ]
    unexpected = [
        key
        for key in loaded
        if key not in expected and not key.startswith(training_only or ('\0',))
    ]
    wrong_shape = [
        f'{key} (checkpoint {_shape(loaded[key])}, model {_shape(expected[key])})'
        for key in expected
        if key in loaded and _shape(loaded[key]) != _shape(expected[key])
    ]
    groups = (('missing', missing), ('unexpected', unexpected), ('of the wrong shape', wrong_shape))
    return [f'{len(keys)} keys {what}: {_listing(keys)}' for what, keys in groups if keys]


def unwrap(model: Any) -> torch.nn.Module:
    """Return the model inside wrappers for several devices and for test-time augmentation."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def _shape(value: Any) -> tuple[int, ...] | str:
    return tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__


def _listing(keys: Any) -> str:
    keys = list(keys)
    more = f' and {len(keys) - _SHOWN} more' if len(keys) > _SHOWN else ''
    return ', '.join(keys[:_SHOWN]) + more
