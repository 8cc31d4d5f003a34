# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Files with stored outputs: cases of full arrays and of tensors sampled at some positions."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np

_SAMPLED = ('shape', 'mean', 'std', 'idx', 'values')


def read_keys(path: Path | str) -> dict[str, Any]:
    """Read a key list, ``.json`` or ``.json.gz``: key to [dtype, shape] (or a fill rule)."""
    path = Path(path)
    text = gzip.decompress(path.read_bytes()) if path.suffix == '.gz' else path.read_bytes()
    return json.loads(text)


class Case:
    """The entries of a file under one prefix.

    Args:
        arrays: the file.
        prefix: ``caseA/``, ``frozen_bn/`` or nothing.
    """

    def __init__(self, arrays: Any, prefix: str = '') -> None:
        self._arrays = arrays
        self.prefix = prefix

    def __getitem__(self, name: str) -> np.ndarray:
        """Return the array of that name."""
        return self._arrays[self.prefix + name]

    def __contains__(self, name: str) -> bool:
        """Whether there is an array of that name."""
        return self.prefix + name in self._arrays.files

    def number(self, name: str) -> int:
        """Return an integer entry, such as a seed."""
        return int(self[name])

    def names(self) -> list[str]:
        """Name the sampled tensors."""
        ends = [key for key in self._arrays.files if key.startswith(self.prefix)]
        return sorted(
            key[len(self.prefix) : -len('/values')] for key in ends if key.endswith('/values')
        )

    def difference(self, name: str, tensor: np.ndarray) -> float:
        """Compare a tensor with what is stored of it: largest absolute difference.

        Raises:
            ValueError: when the shapes differ.
        """
        sampled = self.prefix + name not in self._arrays.files  # in full where it is stored so
        shape = tuple(self[f'{name}/shape'] if sampled else self[name].shape)
        if tuple(tensor.shape) != shape:
            raise ValueError(f'{name} is {tuple(tensor.shape)}, stored is {shape}')
        if sampled:
            tensor, stored = tensor.reshape(-1)[self[f'{name}/idx']], self[f'{name}/values']
        else:
            stored = self[name]
        return float(np.abs(tensor.astype(np.float64) - stored.astype(np.float64)).max())


class Golden:
    """A file of stored outputs.

    Args:
        path: ``<variant>_golden.npz`` or ``<variant>_training.npz``; the name says the variant.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.arrays = np.load(self.path, allow_pickle=False)
        self.variant = self.path.stem.split('_golden')[0].split('_training')[0]
        self.whole = Case(self.arrays)

    def cases(self) -> dict[str, Case]:
        """Return the cases that the file holds, by name."""
        names = sorted({key.split('/')[0] for key in self.arrays.files if key.startswith('case')})
        return {name: Case(self.arrays, f'{name}/') for name in names}
