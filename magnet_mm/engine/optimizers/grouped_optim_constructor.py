# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Few parameter groups instead of one per parameter."""

from __future__ import annotations

from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor
from mmseg.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class GroupedOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor, with parameters of equal options put into one group.

    With a ``paramwise_cfg`` mmengine makes a group of every single parameter. A fused or foreach
    optimiser then works on one parameter at a time, and every scheduler visits hundreds of groups
    per step. The options of each parameter stay what they were; only the groups are fewer.
    Arguments are those of ``DefaultOptimWrapperConstructor``.
    """

    def add_params(
        self,
        params: list[dict],
        module: nn.Module,
        prefix: str = '',
        is_dcn_module: bool | None = None,
    ) -> None:
        """Fill ``params`` with the groups of ``module``; those of the whole model are merged."""
        super().add_params(params, module, prefix, is_dcn_module)
        if not prefix:  # the outermost call of the recursion
            params[:] = merge_groups(params, lr=self.base_lr, weight_decay=self.base_wd)


def merge_groups(groups: list[dict], **defaults: Any) -> list[dict]:
    """Unite parameter groups of equal options, in the order of their first parameters.

    Args:
        groups: torch parameter groups: ``params`` and any options.
        defaults: what an option is where a group does not have it; None is left out.

    Returns:
        The groups, every one with the defaults written out.
    """
    defaults = {name: value for name, value in defaults.items() if value is not None}
    merged: dict[str, dict] = {}
    for group in groups:
        options = {**defaults, **{name: v for name, v in group.items() if name != 'params'}}
        key = repr(sorted(options.items()))
        merged.setdefault(key, dict(options, params=[]))['params'].extend(group['params'])
    return list(merged.values())
