# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Where the time of a forward pass or of a training step goes, part by part."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from benchmarks.timing import synchronise, time_once

# Part, where in the model, and which methods of it.
_PARTS = (
    ('visual', 'backbone.visual', ('embed', 'stage', 'downsample', 'forward')),
    ('text', 'backbone.text', ('embed', 'stage')),
    ('fusion', 'backbone.fusion.*', ('forward',)),
    ('pixel decoder', 'decode_head.pixel_decoder', ('forward',)),
    ('pixel decoder', 'decode_head.levels', ('forward',)),
    ('decode head', 'decode_head', ('forward', 'loss')),
    ('auxiliary heads', 'auxiliary_head.*', ('corrupt_text', 'loss')),
)


def time_parts(
    model: nn.Module, call: Callable[[], object], device: torch.device
) -> dict[str, float]:
    """Share of every part in one call.

    A part's time is its own: what a part inside it takes is taken off. ``other`` is the rest; in a
    training step that is the backward pass and the optimiser.

    Args:
        model: a ``ReferringSegmentor``.
        call: runs the model once.
        device: where it runs.

    Returns:
        Shares that add up to 1.
    """
    clock = _Clock(device)
    with _replaced_methods(model, clock):
        total = time_once(call, device)
    shares = {part: seconds / total for part, seconds in clock.seconds.items()}
    return {**shares, 'other': max(0.0, 1 - sum(shares.values()))}


class _Clock:
    """Seconds per label; a label inside another stops the outer one."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, float] = defaultdict(float)
        self._stack: list[str] = []
        self._since = 0.0

    @contextmanager
    def labelled(self, label: str) -> Iterator[None]:
        """Everything in the block belongs to ``label``."""
        self._switch()
        self._stack.append(label)
        try:
            yield
        finally:
            self._switch()
            self._stack.pop()

    def _switch(self) -> None:
        synchronise(self.device)
        now = time.perf_counter()
        if self._stack:
            self.seconds[self._stack[-1]] += now - self._since
        self._since = now


@contextmanager
def _replaced_methods(model: nn.Module, clock: _Clock) -> Iterator[None]:
    """Lets the methods of every part run under its label."""
    replaced = []
    try:
        for label, place, methods in _PARTS:
            for module in _modules_at(model, place):
                for name in methods:
                    method = getattr(module, name, None)
                    if method is not None:
                        # Beside nn.Module's own attributes, which refuse functions of modules.
                        object.__setattr__(module, name, _labelled(method, label, clock))
                        replaced.append((module, name))
        yield
    finally:
        for module, name in replaced:
            object.__delattr__(module, name)


def _labelled(method: Callable, label: str, clock: _Clock) -> Callable:
    def run(*args, **kwargs):
        with clock.labelled(label):
            return method(*args, **kwargs)

    return run


def _modules_at(model: nn.Module, place: str) -> list[nn.Module]:
    modules = [model]
    for name in place.split('.'):
        found = []
        for module in modules:
            if name == '*':
                found += module.children()
            elif isinstance(getattr(module, name, None), nn.Module):
                found.append(getattr(module, name))
        modules = found
    return modules
