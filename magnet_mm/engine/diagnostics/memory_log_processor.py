# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Memory in the training log, on machines without an accelerator too."""

from __future__ import annotations

import resource
import sys
from typing import Any

from mmengine.runner import LogProcessor
from mmseg.registry import LOG_PROCESSORS

from magnet_mm.engine.checkpointing.plain_types import is_restored


@LOG_PROCESSORS.register_module()
class MemoryLogProcessor(LogProcessor):
    """mmengine's ``LogProcessor`` that always logs ``memory``, in megabytes (2**20 bytes).

    On CUDA it is mmengine's own number: the most that tensors have held on the device. Elsewhere it
    is the peak resident size of this process (without its data-loading workers), as the kernel
    counts it. The remaining time (``eta``) is mmengine's.

    A value that a resumed checkpoint brought along is logged only after this run has measured it
    itself: scores that the run does not compute (of kinds that its data do not have) stay out.
    """

    def _collect_scalars(self, custom_cfg: list, runner: Any, mode: str, *args: Any) -> dict:
        scalars = runner.message_hub.log_scalars
        stale = {name: history for name, history in scalars.items() if is_restored(history)}
        for name in stale:
            scalars.pop(name)
        try:
            return super()._collect_scalars(custom_cfg, runner, mode, *args)
        finally:
            scalars.update(stale)

    def get_log_after_iter(self, runner: Any, batch_idx: int, mode: str) -> tuple[dict, str]:
        """Tags and line of the log; ``memory`` is added where mmengine has none."""
        tag, line = super().get_log_after_iter(runner, batch_idx, mode)
        if 'memory' not in tag:
            tag['memory'] = peak_memory()
            line = f'{line.rstrip()}  memory: {tag["memory"]}'
        return tag, line


def peak_memory() -> int:
    """Peak resident size of this process in megabytes (2**20 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # bytes on macOS, kilobytes on Linux
    return peak // 2**20 if sys.platform == 'darwin' else peak // 2**10
