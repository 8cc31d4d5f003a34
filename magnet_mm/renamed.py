# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Registry names that changed: the old ones work for one more release, with a warning."""

from __future__ import annotations

import warnings
from typing import Any

from mmengine.registry import Registry
from mmseg.registry import DATA_SAMPLERS, MODELS

# Per registry: old name -> new name. Remove an entry one release after it came.
OLD_NAMES: tuple[tuple[Registry, dict[str, str]], ...] = (
    (MODELS, {'PWAMFusion': 'LAVTFusion', 'AlignmentHead': 'AlignmentLoss'}),
    (DATA_SAMPLERS, {'VisitSampler': 'EpochSampler'}),
)


def keep_old_name(registry: Registry, old: str, new: str) -> None:
    """Register an old name that warns and builds what the new name builds.

    ``registry.get(old)`` is a subclass of the new class, so class attributes can be read off it;
    what it builds is an instance of the new class itself.

    Args:
        registry: where both names stand.
        old: the name that configs of earlier releases use.
        new: a class registered there.

    Warns:
        DeprecationWarning: when something is built by its old name.
    """
    target = registry.get(new)

    def build(cls: type, *args: Any, **kwargs: Any) -> Any:
        warnings.warn(
            f'{old} is now called {new}; the old name goes with the next release. '
            f"Write type='{new}' in the config.",
            DeprecationWarning,
            stacklevel=2,
        )
        return target(*args, **kwargs)

    attributes = dict(__new__=build, __module__=target.__module__, __doc__=target.__doc__)
    registry.register_module(old, module=type(old, (target,), attributes))


def register_old_names() -> None:
    """Register every entry of :data:`OLD_NAMES`; ``import magnet_mm`` does it once."""
    for registry, names in OLD_NAMES:
        for old, new in names.items():
            keep_old_name(registry, old, new)
