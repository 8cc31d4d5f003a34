# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Stand-ins for mmcv's compiled operators, so that ``mmcv-lite`` is enough on a CPU.

mmdet and mmseg import ``mmcv.ops``, which loads the compiled module ``mmcv._ext``; ``mmcv-lite``
has none. No model of ours calls one of its operators on a CPU (docs/getting_started.md), and on
CUDA deformable attention does without. Source: our choice; mmcv does the same for another
framework (``mmcv/utils/ext_loader.py``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

EXTENSION = 'mmcv._ext'
INSTALL_COMPILED = (
    'pip uninstall -y mmcv-lite && '
    'pip install --no-build-isolation -r requirements/mminstall-compiled.txt'
)


class MissingExtension(ModuleType):
    """A module in which every operator exists and raises when it is called."""

    def __getattr__(self, name: str) -> Callable:
        if name.startswith('__'):
            raise AttributeError(name)
        if name in ('get_compiler_version', 'get_compiling_cuda_version'):
            return lambda: 'not available'  # what an mmcv built without CUDA says of it

        def missing(*args: object, **kwargs: object) -> None:
            raise NotImplementedError(
                f'The operator {name} needs the compiled mmcv, but mmcv-lite is installed. '
                f'Install it with: {INSTALL_COMPILED} (minutes with a C++ compiler; '
                'docs/getting_started.md names prebuilt wheels).'
            )

        missing.__name__ = name
        return missing


def provide_operators() -> bool:
    """Put the stand-in where ``mmcv._ext`` is absent; True if it stands there now."""
    found = sys.modules.get(EXTENSION)
    if found is None and find_spec('mmcv') is not None and find_spec(EXTENSION) is None:
        found = MissingExtension(EXTENSION)
        found.__spec__ = ModuleSpec(EXTENSION, loader=None)
        sys.modules[EXTENSION] = found
    return isinstance(found, MissingExtension)


provide_operators()
