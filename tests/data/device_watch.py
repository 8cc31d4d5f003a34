# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Notes what an accelerator would be held up by, without having one: all tensors are on meta."""

from __future__ import annotations

import sys
from collections import Counter
from types import FrameType

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten
_SYNCS = {
    aten._local_scalar_dense.default: 'sync',  # .item(), float(), bool()
    aten.nonzero.default: 'sync',
    aten.masked_select.default: 'sync',
    aten._unique2.default: 'sync',
    aten.repeat_interleave.Tensor: 'sync',
}
_INDEXING = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default)

# Where such a thing may stand: (part of the path, kind). The rest is an error.
ALLOWED = (
    ('models/layers/cache.py', 'copy'),  # constants, once per size
    ('torch/optim/', 'cpu'),  # step counters stay on the CPU where torch's optimiser wants them
    ('torch/optim/', 'sync'),  # and are read there
    ('mmengine/optim/optimizer/optimizer_wrapper.py', 'sync'),  # logs the norm of the gradient
    ('mmseg/models/losses/cross_entropy_loss.py', 'copy'),  # its two class weights
)


class DeviceWatch(TorchDispatchMode):
    """Counts, by kind and place, in ``found``: tensors on the CPU (``cpu``) or made from Python
    numbers and copied (``copy``), ``float64``, and what waits for the device (``sync``, boolean
    indexing).

    On meta a ``sync`` cannot give a value: those that are allowed give 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[tuple[str, str, str]] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run an operation and note what is wrong with it."""
        if func in _SYNCS:
            if self._note('sync', func) and func is aten._local_scalar_dense.default:
                return 1.0 if args[0].is_floating_point() else 1
        elif func in _INDEXING and any(
            index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        ):
            self._note('boolean indexing', func)
        out = func(*args, **(kwargs or {}))
        made = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        read = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if any(leaf.device.type == 'cpu' for leaf in (*made, *read)):
            self._note('cpu', func)
        elif func is aten.lift_fresh.default:
            self._note('copy', func)
        if any(leaf.dtype is torch.float64 for leaf in made):
            self._note('float64', func)
        return out

    def _note(self, kind: str, func) -> bool:
        """Note what is not allowed; say whether it is."""
        frame: FrameType | None = sys._getframe(2)
        place = 'backward'
        while frame is not None:
            path = frame.f_code.co_filename.replace('\\', '/')
            if any(part in path and kind == allowed for part, allowed in ALLOWED):
                return True
            if place == 'backward' and '/magnet_mm/' in path:
                place = f'{path.split("/magnet_mm/")[-1]}:{frame.f_lineno}'
            frame = frame.f_back
        self.found[kind, str(func), place] += 1
        return False
