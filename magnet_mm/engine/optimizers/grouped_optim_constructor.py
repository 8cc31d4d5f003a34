# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Parameter groups by part of the model and kind of parameter, few of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor
from mmseg.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from magnet_mm.errors import ConfigError

KINDS: dict[str, tuple[type[nn.Module], ...]] = {
    'norm': (_NormBase, nn.LayerNorm, nn.GroupNorm),
    'layer_norm': (nn.LayerNorm,),
    'batch_norm': (nn.modules.batchnorm._BatchNorm,),
    'group_norm': (nn.GroupNorm,),
    'embedding': (nn.Embedding,),
    'convolution': (nn.modules.conv._ConvNd,),
}
"""Kinds of parameters that are told by the class of their module."""

NAMES = {
    'position_table': ('relative_position_bias_table', 'absolute_pos_embed'),
    'bias': ('bias',),
}
"""Kinds that are told by the parameter's own name, since their module has others too."""


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class GroupedOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor, with rules by kind of parameter, and equal options in one group.

    ``paramwise_cfg`` has one key more than mmengine's: ``parts``, a list of
    ``dict(within=(...), lr_mult=1.0, no_decay=(...), decay_only=(...))``. ``within`` are
    names of modules; without it the whole model is meant. The first part that holds a parameter
    decides. ``no_decay`` lists kinds of parameters without weight decay (:data:`KINDS`,
    :data:`NAMES`); or ``decay_only`` those that decay, without their biases. A key substring
    (``custom_keys``) that was written for one backbone's names matches nothing of another; a kind
    is the same in all.

    With a ``paramwise_cfg`` mmengine makes a group of every single parameter. A fused or foreach
    optimiser then works on one parameter at a time, and every scheduler visits hundreds of groups
    per step. Here the options of each parameter stay what they were; only the groups are fewer.

    Raises:
        ConfigError: For a kind that does not exist, a part of which the model has no module, or
            ``parts`` beside mmengine's own rules.
    """

    def add_params(
        self,
        params: list[dict],
        module: nn.Module,
        prefix: str = '',
        is_dcn_module: bool | None = None,
    ) -> None:
        """Fill ``params`` with the groups of ``module``; those of the whole model are merged."""
        if 'parts' in self.paramwise_cfg:
            params += self._groups_of_parts(module)
        else:
            super().add_params(params, module, prefix, is_dcn_module)
        if not prefix:  # the outermost call of the recursion
            params[:] = merge_groups(params, lr=self.base_lr, weight_decay=self.base_wd)

    def _groups_of_parts(self, model: nn.Module) -> list[dict]:
        if len(self.paramwise_cfg) > 1:
            others = sorted(set(self.paramwise_cfg) - {'parts'})
            raise ConfigError(
                f'paramwise_cfg has parts and {", ".join(others)}: one rule would hide the other. '
                'Say it all in parts (docs/configuration.md).'
            )
        parts = [_Part(**part) for part in self.paramwise_cfg['parts']]
        modules = dict(model.named_modules())
        for part in parts:
            part.check(modules)
        groups, seen = [], set()
        for name, module in modules.items():
            part = next((part for part in parts if part.holds(name)), None)
            for own_name, parameter in module.named_parameters(recurse=False):
                if not parameter.requires_grad or id(parameter) in seen:
                    continue
                seen.add(id(parameter))
                group: dict[str, Any] = dict(params=[parameter])
                if part is not None and part.lr_mult != 1.0:
                    group['lr'] = self.base_lr * part.lr_mult
                if part is not None and self.base_wd and part.is_free(module, own_name):
                    group['weight_decay'] = 0.0
                groups.append(group)
        return groups


class _Part:
    """One entry of ``parts``; see :class:`GroupedOptimWrapperConstructor`."""

    def __init__(
        self,
        within: Sequence[str] | str = '',
        lr_mult: float = 1.0,
        no_decay: Sequence[str] = (),
        decay_only: Sequence[str] = (),
    ) -> None:
        self.within = (within,) if isinstance(within, str) else tuple(within)
        self.lr_mult = lr_mult
        self.no_decay = (no_decay,) if isinstance(no_decay, str) else tuple(no_decay)
        self.decay_only = (decay_only,) if isinstance(decay_only, str) else tuple(decay_only)
        for name, kinds, known in (
            ('no_decay', self.no_decay, [*KINDS, *NAMES]),
            ('decay_only', self.decay_only, list(KINDS)),
        ):
            if unknown := sorted(set(kinds) - set(known)):
                raise ConfigError(
                    f'paramwise_cfg.parts: {name} has no kind {", ".join(unknown)}; there are '
                    f'{", ".join(known)}.'
                )

    def check(self, modules: dict[str, nn.Module]) -> None:
        if not set(self.within) & set(modules):
            raise ConfigError(
                f'paramwise_cfg.parts: the model has no module {" or ".join(self.within)}, so the '
                'rule would change nothing. Print [name for name, _ in model.named_modules()].'
            )

    def holds(self, name: str) -> bool:
        return any(not w or name == w or name.startswith(f'{w}.') for w in self.within)

    def is_free(self, module: nn.Module, name: str) -> bool:
        if self.decay_only:
            kept = any(isinstance(module, KINDS[kind]) for kind in self.decay_only)
            return name == 'bias' or not kept
        return any(
            isinstance(module, KINDS.get(kind, ())) or name in NAMES.get(kind, ())
            for kind in self.no_decay
        )


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
