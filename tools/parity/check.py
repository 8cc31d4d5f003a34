# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Checks a system against files of stored outputs."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import torch

from magnet_mm.errors import ConfigError
from parity import systems
from parity.compare import Row, compare_case, relative_rows
from parity.golden import Golden, read_keys


def known_systems() -> list[str]:
    """Name the systems: the modules of :mod:`parity.systems`."""
    return sorted(found.name for found in pkgutil.iter_modules(systems.__path__))


def load_system(name: str) -> ModuleType:
    """Import a system's module.

    It has ``TOLERANCE`` (``logits`` and ``taps``, and any single name), ``FULL`` (names of arrays
    stored in full), where needed ``RELATIVE`` (names of numbers that are compared relatively,
    within ``TOLERANCE['losses']``) and ``NOT_COMPUTED`` (names that change nothing, and why),
    ``build(keys, fill_keys, variant, config=None)`` (our model in eval mode, its sizes read off the
    keys, with the pseudo-random weights put through the system's converter), ``outputs(model,
    case)`` (our tensors by the stored names) and, where a training file exists, ``training(build,
    golden, keys)`` (rows; ``build()`` gives a fresh model).

    Raises:
        ConfigError: for a name that is none.
    """
    if name not in known_systems():
        raise ConfigError(f'There is no system {name!r}; known are {", ".join(known_systems())}.')
    return importlib.import_module(f'parity.systems.{name}')


def check(
    name: str,
    golden: Path | str | None,
    keys: Path | str,
    fill_keys: Path | str | None = None,
    training: Path | str | None = None,
    config: Path | str | None = None,
) -> list[Row]:
    """Compare a system with stored outputs.

    Args:
        name: of the system, see :func:`known_systems`.
        golden: ``<variant>_golden.npz``.
        keys: ``<variant>_keys.json``, the released layout.
        fill_keys: ``<variant>_fill_keys.json``, how the weights of a TensorFlow layout are filled.
        training: ``<variant>_training.npz``.
        config: a config to build instead of the system's own.

    Raises:
        ConfigError: for an unknown system, or a training file that nothing compares.
    """
    system = load_system(name)
    variant = Golden(golden or training).variant
    fill = None if fill_keys is None else read_keys(fill_keys)

    layout = read_keys(keys)

    def build() -> torch.nn.Module:
        return system.build(layout, fill, variant, config)

    rows: list[Row] = []
    if golden is not None:
        model = build()
        for case_name, case in Golden(golden).cases().items():
            with torch.no_grad():
                ours = system.outputs(model, case)
            left_out = getattr(system, 'NOT_COMPUTED', {})
            rows += compare_case(case_name, case, ours, system.FULL, system.TOLERANCE, left_out)
            rows += relative_rows(case_name, case, ours, system)
    if training is not None:
        if not hasattr(system, 'training'):
            raise ConfigError(f'Nothing compares training files of {name}.')
        rows += system.training(build, Golden(training), layout)
    return rows
