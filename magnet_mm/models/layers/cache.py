# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Tensors that depend on sizes alone, computed once per size instead of in every forward."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

# Kept results per function: training has one image size, a demo some dozens.
_KEPT = 64


def cache(build: Callable[..., Any]) -> Callable[..., Any]:
    """Keep what a function of hashable arguments returns (a tensor or a tuple of tensors).

    While torch traces (``torch.compile``, ``torch.export``) nothing is kept: the tensors are then
    symbols of one graph. The results are shared, so nobody may write into them.
    """
    kept: OrderedDict[tuple, Any] = OrderedDict()

    @functools.wraps(build)
    def cached(*arguments: Any) -> Any:
        if torch.compiler.is_compiling():
            return build(*arguments)
        if arguments in kept:
            return kept[arguments]
        with torch.inference_mode(False), torch.no_grad():  # usable in training later on
            result = build(*arguments)
        tensors = result if isinstance(result, tuple) else (result,)
        if all(type(tensor) is Tensor for tensor in tensors):  # not the fakes of a tracer
            kept[arguments] = result
            if len(kept) > _KEPT:
                kept.popitem(last=False)
        return result

    return cached
