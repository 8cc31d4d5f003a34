# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Resuming from the last intact checkpoint, with the validation that the crash cut short."""

from __future__ import annotations

import json
import os.path as osp
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import BaseLoop, EpochBasedTrainLoop
from mmseg.registry import HOOKS

from magnet_mm.atomic_files import write_atomically
from magnet_mm.engine.checkpointing.resume_point import TRAINING_STATE, find_resume_point
from magnet_mm.errors import CheckpointError

RECORD = 'last_validation.json'
"""File in the work directory: epoch and iteration of the last finished validation."""


@HOOKS.register_module()
class ResumeHook(Hook):
    """Makes ``--resume`` survive damaged files and interrupted validations.

    - Without a named file, the Runner would take whatever ``last_checkpoint`` names. The hook
      passes over damaged checkpoints (see :func:`find_resume_point`) and says so in the log.
    - A checkpoint is saved before its validation. Where that validation did not finish, it is run
      before training goes on, so that the best checkpoint of the run is not lost. Which one
      finished stands in ``last_validation.json`` (our choice).
    - A checkpoint without optimiser state, and one of a training with ``EMAHook`` in a training
      without it, are refused.

    The main process looks at the files and tells the others. The hook is the last one called
    (``LOWEST``): the best checkpoint is saved before a validation counts as finished.
    """

    priority = 'LOWEST'

    def before_run(self, runner: Any) -> None:
        """Choose the checkpoint for ``resume=True`` without ``load_from``.

        Raises:
            CheckpointError: If there are checkpoints, but none that can be used.
        """
        # a built train loop means Runner.train(); Runner.test() never builds it
        if not runner._resume or runner._load_from or not isinstance(runner._train_loop, BaseLoop):
            return
        chosen = [find_resume_point(runner.work_dir) if is_main_process() else None]
        broadcast_object_list(chosen)
        point = chosen[0]
        reasons = [f'{path}: {reason}' for path, reason in point.refused.items()]
        if point.path is None and reasons:
            raise CheckpointError(
                f'No checkpoint of {runner.work_dir} can be resumed. '
                + '; '.join(reasons)
                + '. Name another one (--resume FILE), or train in another --work-dir.'
            )
        for reason in reasons:
            runner.logger.warning(f'Not resumed from {reason}.')
        if reasons:
            runner.logger.warning(f'Resuming from the newest intact checkpoint, {point.path}.')
        runner._load_from = point.path
        if point.path is None:  # nothing was saved yet: train from the beginning
            runner._resume = False

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Refuse to resume from what would go on with a fresh optimiser, or other weights.

        Raises:
            CheckpointError: If optimiser, schedule or log are absent; if the averaged weights of
                ``EMAHook`` and the weights that the optimiser belongs to would be confused.
        """
        if not runner._resume or not isinstance(runner._train_loop, BaseLoop):
            return
        needed = list(TRAINING_STATE)
        if runner.param_schedulers is not None:
            needed.append('param_schedulers')
        absent = [key for key in needed if key not in checkpoint]
        name = runner._load_from
        if absent:
            raise CheckpointError(
                f'{name} cannot be resumed: it has no {", ".join(absent)}. Checkpoints named '
                'best_* hold the weights alone. --resume without a file goes on from the last '
                'complete one of the work dir; to start a new training from these weights, leave '
                f'out --resume and give --cfg-options load_from={name}'
            )
        averages = any(isinstance(hook, EMAHook) for hook in runner.hooks)
        if 'ema_state_dict' in checkpoint and not averages:
            raise CheckpointError(
                f'{name} was trained with EMAHook: its weights are the averaged ones, its '
                'optimiser belongs to the others. Put the hook back (default_hooks.ema=dict('
                "type='EMAHook', ...)); to start a new training from the averaged weights, leave "
                f'out --resume and give --cfg-options load_from={name}'
            )
        if averages and 'ema_state_dict' not in checkpoint:
            runner.logger.warning(
                f'{name} was trained without EMAHook: the average begins now, with its weights.'
            )

    def before_train(self, runner: Any) -> None:
        """Validate first where the interrupted run did not come to the end of it."""
        record = Path(runner.work_dir) / RECORD
        loop = runner.train_loop
        if not isinstance(loop, EpochBasedTrainLoop):
            return
        validated = [_read_epoch(record) if runner._resume and is_main_process() else 0]
        broadcast_object_list(validated)
        # of a run that came further than the checkpoint, or of another run
        if validated[0] > loop.epoch or not runner._resume:
            self._write(runner, 0 if not runner._resume else loop.epoch)
        if runner._resume and validated[0] < loop.epoch and _is_validated(runner, loop):
            runner.logger.info(
                f'The validation after epoch {loop.epoch} was interrupted; it is run again.'
            )
            runner.val_loop.run()

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Note that this validation is finished and its best checkpoint saved."""
        if isinstance(runner._train_loop, BaseLoop):
            self._write(runner, runner.epoch)

    def _write(self, runner: Any, epoch: int) -> None:
        if is_main_process():
            text = json.dumps(dict(epoch=epoch, iter=runner.iter if epoch else 0))
            write_atomically(osp.join(runner.work_dir, RECORD), text.encode())


def _read_epoch(record: Path) -> int:
    """Epoch of the last finished validation; 0 when none is recorded."""
    try:
        return int(json.loads(record.read_text())['epoch'])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _is_validated(runner: Any, loop: EpochBasedTrainLoop) -> bool:
    """Whether the loop validates after the epoch it stands at (``EpochBasedTrainLoop.run``)."""
    loop._decide_current_val_interval()
    return (
        runner.val_loop is not None
        and loop.epoch >= max(loop.val_begin, 1)
        and (loop.epoch % loop.val_interval == 0 or loop.epoch == loop.max_epochs)
    )
