# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Checkpoints that load with ``weights_only=True``, here and everywhere else."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from magnet_mm.engine.checkpointing.plain_types import restore_history_buffers, to_plain


@HOOKS.register_module()
class SafeCheckpointHook(Hook):
    """Writes checkpoints of plain types and gives the Runner its own types back on loading.

    torch >= 2.6 refuses a stock mmengine checkpoint (its message hub holds ``HistoryBuffer``
    objects). Allow-listing them would need ``getattr`` on the list, which lets a file run any
    code, so the objects are replaced before saving instead (our choice).

    The hook is the last one called (``LOWEST``), so that it sees what other hooks add, for example
    the averaged weights of ``EMAHook``.
    """

    priority = 'LOWEST'

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Turn everything in ``checkpoint`` into plain types, in place.

        Functions inside the states of parameter schedulers (``OneCycleLR`` keeps one) are left
        out: a scheduler built from the config has them already.

        Raises:
            CheckpointError: If a part has no plain counterpart; the message says which.
        """
        if 'param_schedulers' in checkpoint:
            checkpoint['param_schedulers'] = _without_functions(checkpoint['param_schedulers'])
        for key, value in checkpoint.items():
            checkpoint[key] = to_plain(value, f'checkpoint[{key!r}]')

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Rebuild the log histories, in place, and drop the config text that would be executed.

        ``Runner.resume`` runs ``meta['config']`` as Python. No checkpoint that mmengine 0.10
        writes has that key (its own text is ``meta['cfg']``), so only a file made to run code can.
        """
        message_hub = checkpoint.get('message_hub')
        if isinstance(message_hub, dict) and 'log_scalars' in message_hub:
            message_hub['log_scalars'] = restore_history_buffers(message_hub['log_scalars'])
        meta = checkpoint.get('meta')
        if isinstance(meta, dict):
            meta.pop('config', None)


def _without_functions(states: Any) -> Any:
    if isinstance(states, dict):
        return {k: _without_functions(v) for k, v in states.items() if not callable(v)}
    if isinstance(states, list):
        return [_without_functions(state) for state in states]
    return states
