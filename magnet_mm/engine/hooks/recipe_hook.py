# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Batch size and length of a training, compared with what its learning rate is for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import BaseLoop
from mmseg.registry import HOOKS

from magnet_mm.engine.optimizers import schedules

_LINE = '!' * 88


@HOOKS.register_module()
class RecipeHook(Hook):
    """Holds the learning rate to the batch and the number of epochs that it is meant for.

    - ``auto_scale_lr.base_batch_size`` is the batch of one optimiser step that the learning rate of
      the config is for. The hook compares it with processes x batch size x ``accumulative_counts``
      and says in the log what to change. mmengine's ``auto_scale_lr.enable=True`` does not count
      accumulated batches; the hook does.
    - A schedule that ends before the training, and one that goes on after it, are reported; it is
      an error where the learning rate would be zero for the rest of the training.
    - A run resumed with another number of epochs, or with epochs of another length, follows its own
      schedule, not the one that the checkpoint was trained with.

    Raises:
        ConfigError: At the start of a training whose last epochs would have no learning rate.
    """

    def __init__(self) -> None:
        """See the class."""
        self._ends: list[tuple[int, int]] = []

    def before_run(self, runner: Any) -> None:
        """Count accumulated batches in ``auto_scale_lr``; the schedules are new at this point."""
        # a built train loop means Runner.train(); Runner.test() never builds it
        if not isinstance(runner._train_loop, BaseLoop):
            return
        self._ends = schedules.ends(runner.param_schedulers)
        if (runner.auto_scale_lr or {}).get('enable', False):
            for wrapper in _wrappers(runner.optim_wrapper):
                counts = wrapper._accumulative_counts
                if counts > 1:
                    schedules.scale(wrapper, runner.param_schedulers, counts)
                    runner.logger.info(
                        f'{counts} batches are accumulated: the learning rate is scaled by '
                        f'{counts} more.'
                    )

    def before_train(self, runner: Any) -> None:
        """Compare; a resumed schedule of another length is replaced by the run's own."""
        if runner._resume and schedules.ends(runner.param_schedulers) != self._ends:
            schedules.follow_own(runner)
            rates = ', '.join(f'{rate:.3g}' for rate in _rates(runner))
            runner.logger.warning(
                'The checkpoint was trained with a schedule of another length. From here on the '
                f"learning rate follows this run's schedule: {rates}."
            )
        for problem in schedules.problems(runner):
            runner.logger.warning(problem)
        self._compare_batch(runner)

    def _compare_batch(self, runner: Any) -> None:
        scaling = runner.auto_scale_lr or {}
        base = scaling.get('base_batch_size')
        loader = runner.train_dataloader
        batch = loader.batch_size or getattr(loader.batch_sampler, 'batch_size', None)
        if not base or not batch or scaling.get('enable', False):
            return
        counts = max(wrapper._accumulative_counts for wrapper in _wrappers(runner.optim_wrapper))
        total = runner.world_size * batch * counts
        if total == base:
            return
        step = runner.world_size * batch
        choices = []
        if base % step == 0:
            choices.append(f'optim_wrapper.accumulative_counts={base // step}')
        if base % (runner.world_size * counts) == 0:
            choices.append(f'train_dataloader.batch_size={base // (runner.world_size * counts)}')
        choices.append('auto_scale_lr.enable=True (scales the learning rate)')
        runner.logger.warning(
            f'\n{_LINE}\nThis training has a batch of {total}: {runner.world_size} process(es) x '
            f'{batch} x {counts} accumulated. Its learning rate is for a batch of {base} '
            '(auto_scale_lr.base_batch_size).\nChoose one, after --cfg-options:\n  '
            + '\n  '.join(choices)
            + f'\n{_LINE}'
        )


def _wrappers(wrapper: Any) -> Iterator[Any]:
    yield from wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper]


def _rates(runner: Any) -> list[float]:
    return sorted(
        {
            group['lr']
            for wrapper in _wrappers(runner.optim_wrapper)
            for group in wrapper.optimizer.param_groups
        }
    )
