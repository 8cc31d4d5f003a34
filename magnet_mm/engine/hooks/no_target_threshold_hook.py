# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Tests answer "nothing is meant" at the threshold that their checkpoint carries."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import BaseLoop
from mmseg.registry import HOOKS

from magnet_mm.engine.checkpointing.no_target_threshold import stored_threshold
from magnet_mm.engine.hooks.checkpoint_fit_hook import unwrap


@HOOKS.register_module()
class NoTargetThresholdHook(Hook):
    """Gives the model of a test the checkpoint's threshold; without one, the head's own holds.

    A training that starts from a checkpoint leaves the threshold behind, since it was chosen for
    other weights.
    """

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Set the threshold.

        Raises:
            CheckpointError: The checkpoint's threshold is no probability.
        """
        model = unwrap(runner.model)
        training = isinstance(runner._train_loop, BaseLoop)
        if not training and hasattr(model, 'set_no_target_threshold'):
            model.set_no_target_threshold(stored_threshold(checkpoint))
