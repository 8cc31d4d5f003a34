# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Pretrained weights are loaded whole, or it is an error.

mmengine's ``Pretrained`` ignores every key that it does not know and leaves what the file lacks at
random values. This is the one check of it, for every module whose ``init_cfg`` names a file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmengine.model import PretrainedInit
from torch import Tensor, nn

from magnet_mm.errors import CheckpointError

_SHOWN = 20
# What mmengine and the backbones' own loading raise for a file of something else.
_MISFITS = (AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


@contextlib.contextmanager
def complete_weights(module: nn.Module, submodules: bool = True) -> Iterator[None]:
    """Make sure that what ``init_weights`` loads inside the block reaches every tensor.

    For the module and its submodules with ``init_cfg=dict(type='Pretrained', ...)``: when a state
    dict arrives, their floating-point parameters and buffers are set to NaN; what is NaN at the end
    was not loaded. A module names in its attribute ``fresh`` the submodules that a file need not
    have; they keep their values.

    Args:
        module: the module whose ``init_weights`` runs in the block.
        submodules: False watches the module alone, for one whose parts watch themselves.

    Raises:
        CheckpointError: naming the file and the parameters that it does not give.
    """
    watched = [
        _Loading(part, source)
        for part in (module.modules() if submodules else [module])
        if (source := pretrained_source(part)) is not None and not getattr(part, 'is_init', False)
    ]
    try:
        yield
    except _MISFITS as error:
        if isinstance(error, CheckpointError) or not watched:
            raise
        files = ', '.join(loading.source for loading in watched)
        raise CheckpointError(
            f'The pretrained weights {files} do not fit {type(module).__name__}: {error} '
            'Name another checkpoint, or correct its prefix, in init_cfg.'
        ) from error
    finally:
        for loading in watched:
            loading.handle.remove()
    for loading in watched:
        loading.check()


def pretrained_source(module: nn.Module) -> str | None:
    """Read the file that a module's ``init_cfg`` names; None where it names none."""
    settings = getattr(module, 'init_cfg', None)
    for entry in [settings] if isinstance(settings, Mapping) else settings or ():
        if entry.get('type') in ('Pretrained', PretrainedInit):
            return str(entry.get('checkpoint'))
    return None


class _Loading:
    """One module that waits for its state dict."""

    def __init__(self, module: nn.Module, source: str) -> None:
        self.module, self.source = module, source
        self.before: dict[str, Tensor] | None = None
        self.handle = module._register_load_state_dict_pre_hook(self._mark)

    def _tensors(self) -> dict[str, Tensor]:
        state = self.module.state_dict()
        return {name: value for name, value in state.items() if value.is_floating_point()}

    def _mark(self, *arguments: Any) -> None:
        """Set everything to NaN just before the file's values arrive."""
        if self.before is None:
            tensors = self._tensors()
            self.before = {name: value.clone() for name, value in tensors.items()}
            for value in tensors.values():
                value.fill_(torch.nan)

    def check(self) -> None:
        """Complain of what was not loaded; what may start fresh gets its values back."""
        tensors = self._tensors()
        absent = list(tensors)
        if self.before is not None:
            absent = [name for name, value in tensors.items() if value.isnan().any()]
        fresh = tuple(f'{part}.' for part in getattr(self.module, 'fresh', ()))
        lacking = [name for name in absent if not f'{name}.'.startswith(fresh)]
        if lacking:
            more = f' and {len(lacking) - _SHOWN} more' if len(lacking) > _SHOWN else ''
            raise CheckpointError(
                f'{self.source} does not fit this {type(self.module).__name__}: of '
                f'{len(tensors)} tensors it lacks, has in another shape or as NaN {len(lacking)}: '
                f'{", ".join(lacking[:_SHOWN])}{more}. Name another checkpoint, or correct its '
                'prefix, in init_cfg.'
            )
        for name in absent if self.before is not None else ():
            tensors[name].copy_(self.before[name])
