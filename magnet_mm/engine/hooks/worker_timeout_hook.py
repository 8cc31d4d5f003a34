# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Turns a data-loading worker that hangs into an error; none outlives the main process."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmseg.registry import HOOKS
from torch.utils.data import DataLoader

from magnet_mm.errors import ConfigError
from magnet_mm.interruption import EndsWithParent


@HOOKS.register_module()
class WorkerTimeoutHook(Hook):
    """Gives every data loader that has workers a time limit for the next batch.

    torch waits for ever by default, for instance for a network disk that is gone; with the limit
    it raises ``RuntimeError: DataLoader timed out``. (A worker that is killed is noticed without
    it.) A ``timeout`` in a dataloader's own config wins; it cannot stand there in general, because
    torch refuses it together with ``num_workers=0``.

    Where the main process is killed, its workers end at once (:class:`EndsWithParent`), so that
    none holds memory, or a GPU's context, while the run is resumed.

    Args:
        seconds: The limit; 600 (our choice: far above what a batch takes).

    Raises:
        ConfigError: If ``seconds`` is not positive.
    """

    priority = 'VERY_HIGH'

    def __init__(self, seconds: float = 600) -> None:
        """See the class."""
        if not seconds > 0:
            raise ConfigError(f'WorkerTimeoutHook: seconds must be positive, not {seconds}.')
        self.seconds = seconds

    def before_train_epoch(self, runner: Any) -> None:
        """Limit the training data loader (it starts its workers after this)."""
        self.limit(runner.train_dataloader)

    def before_val_epoch(self, runner: Any) -> None:
        """Limit the validation data loader."""
        self.limit(runner.val_dataloader)

    def before_test_epoch(self, runner: Any) -> None:
        """Limit the test data loader."""
        self.limit(runner.test_dataloader)

    def limit(self, dataloader: DataLoader) -> None:
        """Set the data loader's timeout, if it has workers and no timeout of its own."""
        if not isinstance(dataloader, DataLoader) or not dataloader.num_workers:
            return
        if not dataloader.timeout:
            dataloader.timeout = self.seconds
        if not isinstance(dataloader.worker_init_fn, EndsWithParent):
            dataloader.worker_init_fn = EndsWithParent(dataloader.worker_init_fn)
