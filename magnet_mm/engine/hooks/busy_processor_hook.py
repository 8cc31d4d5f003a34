# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""One thread where the steps of a training on the CPU have become several times as slow."""

from __future__ import annotations

import logging
import time
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmseg.registry import HOOKS

from magnet_mm.engine.run_setup.processor_threads import threads_are_ours
from magnet_mm.errors import ConfigError


@HOOKS.register_module()
class BusyProcessorHook(Hook):
    """Falls back to one thread when steps take ``factor`` times the best, and says so.

    Another program that came later makes OpenMP's threads spin against each other
    (:mod:`magnet_mm.engine.run_setup.processor_threads`). The time is that of an image, from the
    finished batch to the updated weights. The run stays with one thread; resume it for more.
    Nothing is done where an accelerator works, with one thread, or with ``OMP_NUM_THREADS`` set.

    Args:
        factor: how much slower than the best; 3 (our choice).
        steps: so many steps in a row; 3 (our choice: one slow step is no busy machine).

    Raises:
        ConfigError: If the factor is not above 1, or the number of steps not positive.
    """

    priority = 'VERY_HIGH'

    def __init__(self, factor: float = 3.0, steps: int = 3) -> None:
        """See the class."""
        if factor <= 1 or steps < 1:
            raise ConfigError(
                f'BusyProcessorHook: factor must be above 1 and steps positive, not {factor} and '
                f'{steps}.'
            )
        self.factor, self.steps = factor, steps
        self._best = float('inf')
        self._slow = 0
        self._began: float | None = None

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Start the clock."""
        self._began = time.perf_counter() if threads_are_ours() else None

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Stop it, and compare with the best."""
        if self._began is None:
            return
        seconds = (time.perf_counter() - self._began) / len(data_batch['inputs'])
        self._best = min(self._best, seconds)
        self._slow = self._slow + 1 if seconds > self.factor * self._best else 0
        if self._slow >= self.steps:
            print_log(
                f'{self.steps} steps in a row took more than {self.factor:g} times the best '
                f'({1000 * seconds:.0f} ms an image, {1000 * self._best:.0f} at best): other '
                'programs need the cores, so that one thread is used from now on instead of '
                f'{torch.get_num_threads()}.',
                logger='current',
                level=logging.WARNING,
            )
            torch.set_num_threads(1)
