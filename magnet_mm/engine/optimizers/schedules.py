# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What the schedules of a run do over the whole training; arithmetic on mmengine's schedulers."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from typing import Any

from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import EpochBasedTrainLoop

from magnet_mm.errors import ConfigError


def ends(schedulers: Any) -> list[tuple[int, int]]:
    """Where each scheduler begins and ends, in its own unit (iterations or epochs)."""
    return [(scheduler.begin, scheduler.end) for scheduler in flatten(schedulers)]


def scale(wrapper: OptimWrapper, schedulers: Any, factor: float) -> None:
    """Multiply the learning rate of every parameter group, before any step was made."""
    for group in wrapper.optimizer.param_groups:
        for key in ('lr', 'initial_lr'):
            if key in group:
                group[key] = group[key] * factor
    for scheduler in flatten(schedulers):
        if scheduler.param_name == 'lr' and scheduler.optimizer is wrapper:
            scheduler.base_values = [value * factor for value in scheduler.base_values]


def follow_own(runner: Any) -> None:
    """Put the runner's schedules, as its config has them, where a resumed training stands.

    mmengine restores the whole state of a scheduler, its end too, and goes on from the last value;
    a learning rate that has fallen to zero could not rise again. So the schedules are built anew
    and run from the beginning up to here; that takes no time.

    Raises:
        ConfigError: If the runner has no config to build them from.
    """
    config = runner.cfg.get('param_scheduler')
    if config is None:
        raise ConfigError(
            'The resumed checkpoint was trained with a schedule of another length, and the runner '
            'has no config to build its own again. Resume with the same number of epochs.'
        )
    wrappers = runner.optim_wrapper
    for wrapper in wrappers.values() if isinstance(wrappers, OptimWrapperDict) else [wrappers]:
        for group in wrapper.optimizer.param_groups:
            for key in [key for key in group if f'initial_{key}' in group]:
                group[key] = group[f'initial_{key}']
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='Detected call of `scheduler.step')
        runner.param_schedulers = runner.build_param_scheduler(copy.deepcopy(config))
        built = list(flatten(runner.param_schedulers))
        length = len(runner.train_dataloader)
        by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        iterations = runner.epoch * length if by_epoch else runner.iter
        for iteration in range(1, iterations + 1):
            for scheduler in built:
                if not scheduler.by_epoch or (by_epoch and iteration % length == 0):
                    scheduler.step()


def problems(runner: Any) -> list[str]:
    """Say which schedules of the learning rate do not fit the length of the training.

    Raises:
        ConfigError: If the learning rate would be zero before the training ends.
    """
    length, total = len(runner.train_dataloader), runner.max_iters
    rates = [part for part in flatten(runner.param_schedulers) if part.param_name == 'lr']
    last = max((_in_iterations(part.end, part, length) for part in rates), default=total)
    found = []
    for part in rates:
        end = _in_iterations(part.end, part, length)
        told = (
            f'{type(part).__name__} ends after iteration {end}, the training after iteration '
            f'{total} (an epoch has {length})'
        )
        if _decays(part) and end == last < total:
            if not getattr(part, 'eta_min', None) and not getattr(part, 'end_factor', 0):
                raise ConfigError(
                    f'{told}: from there on the learning rate would be 0 and nothing be learned. '
                    'Leave out the `end` of this param_scheduler, so that it ends with the '
                    'training (an iteration-based training wants by_epoch=False too).'
                )
            found.append(f'{told}: from there on the learning rate stays as it is.')
        elif end > total and (_decays(part) or hasattr(part, 'end_factor')):
            what = 'decays to its end' if _decays(part) else 'reaches its full value'
            found.append(f'{told}: the learning rate never {what}.')
    return found


def _in_iterations(step: int, scheduler: Any, length: int) -> int:
    return step * length if scheduler.by_epoch else step


def flatten(schedulers: Any) -> Iterator[Any]:
    """Yield the schedulers of a list, or of a dict of lists (several optimisers)."""
    if isinstance(schedulers, dict):
        for part in schedulers.values():
            yield from flatten(part)
    else:
        yield from schedulers or ()


def _decays(scheduler: Any) -> bool:
    if hasattr(scheduler, 'end_factor'):
        return scheduler.end_factor < scheduler.start_factor
    return hasattr(scheduler, 'eta_min')
