# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What a stranger's config may name.

``Registry.build`` imports whatever a ``type`` names (``type='subprocess.Popen'``), and some
components of mmseg and mmdet read files by their arguments: a loss unpickles its ``class_weight``,
a distiller runs its teacher's config file. So every type must be registered, whole models of other
packages are refused, and so is every string that could name a file.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from typing import Any

from mmengine import registry as mmengine_registry
from mmengine.model import BaseModel
from mmengine.registry import Registry

from magnet_mm.datasets.tokenizers import TOKENIZERS
from magnet_mm.errors import ConfigError
from magnet_mm.models.segmentors import ReferringSegmentor

_ROOTS = ('MODELS', 'TASK_UTILS', 'TRANSFORMS', 'WEIGHT_INITIALIZERS', 'METRICS')
_REFUSED = ('VPD',)  # imports what its arguments name, through another library


def check_config(value: Any, place: str) -> None:
    """Refuse what could run code or read a file.

    Args:
        value: A model, a pipeline, or a part of one; plain values.
        place: What messages call it.

    Raises:
        ConfigError: A type is not registered or is another package's whole model, a scope is
            changed, or a string could name a file; the message says which and where.
    """
    if isinstance(value, dict):
        if '_scope_' in value:
            raise ConfigError(f'{place} sets _scope_, which can import any module. Remove it.')
        if 'type' in value:
            _check_type(value['type'], place)
        for key, part in value.items():
            check_config(part, f'{place}.{key}')
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            check_config(part, f'{place}[{index}]')
    elif isinstance(value, str) and ('/' in value or os.path.isfile(value)):
        raise ConfigError(
            f'{place} is {value!r}. A shared model reads no file but its weights and its '
            'tokenizer; leave this out, or use its config and weights as your own '
            '(--config, --weights).'
        )


def registered_name(component: type, place: str) -> str:
    """Return the name, with its scope, under which a class is registered.

    Raises:
        ConfigError: It is in no registry.
    """
    for one in _registries():
        for name, registered in one.module_dict.items():
            if registered is component:
                return f'{one.scope}.{name}'
    raise ConfigError(f'{place} is the class {component.__name__}, which is in no registry.')


def _check_type(kind: Any, place: str) -> None:
    found = list(_components(kind)) if isinstance(kind, str) else []
    if not found:
        raise ConfigError(
            f'{place}.type is {kind!r}, which is no registered component. It is not built, because '
            'that would import it by name; if it is yours, import its module first.'
        )
    for component in found:
        model = inspect.isclass(component) and issubclass(component, BaseModel)
        foreign = model and not issubclass(component, ReferringSegmentor)
        if foreign or component.__name__ in _REFUSED:
            raise ConfigError(f'{place}.type is {kind!r}, which a shared model may not hold.')


def _components(name: str) -> Iterator[Any]:
    """Everything that is registered under a name, with or without a scope."""
    scope, _, plain = name.rpartition('.')
    for one in _registries():
        if plain in one.module_dict and scope in ('', one.scope):
            yield one.module_dict[plain]


def _registries() -> Iterator[Registry]:
    """Yield the registries of what a model and its pipeline are made of."""
    yield TOKENIZERS
    for name in _ROOTS:
        root = getattr(mmengine_registry, name)
        yield root
        yield from root.children.values()
