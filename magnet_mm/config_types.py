# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What a ``type`` in a config names: a string, a string with a scope, or the class itself."""

from __future__ import annotations

from typing import Any

from mmengine.registry import Registry


def type_name(config: Any, default: str = '') -> str:
    """Name of the class that a config's ``type`` stands for, without a scope.

    Args:
        config: A dict with a ``type``, or such a type: ``'Resize'``, ``'mmcv.Resize'``, ``Resize``.
        default: What a dict without a type means.
    """
    kind = config.get('type', default) if isinstance(config, dict) else config
    if isinstance(kind, str):
        return kind.rpartition('.')[2]
    return getattr(kind, '__name__', str(kind))


def component_class(registry: Registry, config: dict) -> Any:
    """Class (or function) that a config's ``type`` stands for; None where there is none."""
    kind = config['type']
    return registry.get(kind) if isinstance(kind, str) else kind
