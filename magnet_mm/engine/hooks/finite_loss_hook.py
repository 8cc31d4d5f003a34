# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Stops a training whose loss is NaN or infinite, before the weights are touched."""

from __future__ import annotations

import functools
import os.path as osp
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmseg.registry import HOOKS

from magnet_mm.engine.diagnostics import loss_dump
from magnet_mm.errors import NonFiniteLossError

FOLDER = 'nonfinite_loss'
"""Folder of the dumps, in the work directory."""


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Checks the total loss between forward and backward, and saves what made it not finite.

    mmengine would go on: one NaN in the loss makes every weight NaN, and the next validation
    scores 0. With this hook the run stops with the weights as they were; the dump in
    ``<work_dir>/nonfinite_loss`` holds weights, batch and random state, and
    ``tools/analysis_tools/replay_loss.py`` repeats the computation from it.

    It works with every optimiser wrapper, since it stands in the model's ``parse_losses``, which
    mmengine's models call before they update. The price is one ``item()`` per iteration (on a GPU
    the process waits for the forward pass there; mmengine itself reads every loss after the
    update) and a copy of the generators' states. The hook is the last one called (``LOWEST``),
    after :class:`EpochSeedHook` has seeded the generators.
    """

    priority = 'LOWEST'

    def __init__(self) -> None:
        """See the class."""
        self._batch: Any = None
        self._random_state: dict[str, Any] = {}

    def before_train(self, runner: Any) -> None:
        """Let the model check each loss that it sums up."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        parse_losses = model.parse_losses
        if getattr(parse_losses, 'checks_finite', False):
            return

        @functools.wraps(parse_losses)
        def parse_finite_losses(losses: Mapping[str, Any]) -> tuple[torch.Tensor, dict]:
            loss, log_vars = parse_losses(losses)
            if not torch.isfinite(loss).item():
                self._stop(runner, model, log_vars)
            return loss, log_vars

        parse_finite_losses.checks_finite = True
        model.parse_losses = parse_finite_losses

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Remember the batch and the state of the generators."""
        self._batch = data_batch
        self._random_state = loss_dump.random_state()

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Let go of the batch."""
        self._batch = None

    def _stop(self, runner: Any, model: torch.nn.Module, log_vars: Mapping[str, Any]) -> None:
        values = {name: float(value) for name, value in log_vars.items()}
        name = f'epoch_{runner.epoch + 1}_iter_{runner.iter + 1}_rank_{get_rank()}.pth'
        path = osp.join(runner.work_dir, FOLDER, name)
        broken = [n for n, p in model.named_parameters() if not torch.isfinite(p).all()]
        try:
            loss_dump.save(path, runner, model, self._batch, self._random_state, values)
            saved = (
                f'Batch, weights and random state are in {path}; repeat it with '
                f'python tools/analysis_tools/replay_loss.py {path}'
            )
        except Exception as error:  # the loss is the news, whatever happens to the dump
            saved = f'The dump {path} could not be saved: {error}'
        terms = ', '.join(f'{n}={v}' for n, v in values.items() if v - v != 0 and n != 'loss')
        raise NonFiniteLossError(
            f'The loss of iteration {runner.iter + 1} (epoch {runner.epoch + 1}, rank '
            f'{get_rank()}) is {values["loss"]}: {terms or "the sum of finite terms"}. Training '
            'stopped before the weights were changed. '
            + (
                f'But {len(broken)} parameters were not finite before, first {broken[0]}: an '
                'earlier gradient was not. '
                if broken
                else ''
            )
            + 'The batch:\n'
            + '\n'.join(f'  {line}' for line in loss_dump.sample_names(self._batch))
            + f'\n{saved}\nLook at these samples, lower the learning rate, clip the gradients '
            '(optim_wrapper.clip_grad), or train without --amp; then go on with --resume.'
        )
