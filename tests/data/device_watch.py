# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Notes what an accelerator would be held up by, without having one: all tensors are on meta."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from types import FrameType

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten
_SYNCS = (
    aten._local_scalar_dense.default,  # .item(), float(), bool()
    aten.nonzero.default,
    aten.masked_select.default,
    aten._unique2.default,
    aten.repeat_interleave.Tensor,
)
_COPIES = (torch.tensor, torch.as_tensor)
_INDEXING = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default)

# Where such a thing may stand: (part of the path, kind). The rest is an error.
ALLOWED = (
    ('models/layers/cache.py', 'copy'),  # constants, once per size
    ('torch/optim/', 'cpu'),  # step counters stay on the CPU where torch's optimiser wants them
    ('torch/optim/', 'sync'),  # and are read there
    ('mmengine/optim/optimizer/optimizer_wrapper.py', 'sync'),  # logs the norm of the gradient
    ('mmseg/models/losses/cross_entropy_loss.py', 'copy'),  # its two class weights
)


class DeviceWatch:
    """Counts, by kind and place, in ``found``: tensors on the CPU (``cpu``), Python numbers copied
    to the device (``copy``), ``float64``, and what waits for the device (``sync``, boolean
    indexing).

    On meta a ``sync`` cannot give a value: those that are allowed give 1.
    """

    def __init__(self) -> None:
        self.found: Counter[tuple[str, str, str]] = Counter()
        self._modes = contextlib.ExitStack()

    def __enter__(self) -> DeviceWatch:
        """Begin."""
        self._modes.enter_context(_Copies(self))
        self._modes.enter_context(_Operations(self))
        return self

    def __exit__(self, *exception: object) -> None:
        """End."""
        self._modes.close()

    def note(self, kind: str, function: object) -> bool:
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
        self.found[kind, str(function), place] += 1
        return False


class _Copies(TorchFunctionMode):
    """Sees tensors that are made from Python numbers; on CUDA each is copied to the device."""

    def __init__(self, watch: DeviceWatch) -> None:
        super().__init__()
        self.watch = watch

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func in _COPIES and out.device.type != 'cpu' and not isinstance(args[0], Tensor):
            self.watch.note('copy', func)
        elif func is Tensor.new_tensor and out.device.type != 'cpu':
            self.watch.note('copy', func)
        return out


class _Operations(TorchDispatchMode):
    """Sees every operation, forward and backward."""

    def __init__(self, watch: DeviceWatch) -> None:
        super().__init__()
        self.watch = watch

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in _SYNCS:
            if self.watch.note('sync', func) and func is aten._local_scalar_dense.default:
                return 1.0 if args[0].is_floating_point() else 1
        elif func in _INDEXING and any(
            index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        ):
            self.watch.note('boolean indexing', func)
        out = func(*args, **(kwargs or {}))
        made = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        read = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if any(leaf.device.type == 'cpu' for leaf in (*made, *read)):
            self.watch.note('cpu', func)
        if any(leaf.dtype is torch.float64 for leaf in made):
            self.watch.note('float64', func)
        return out
