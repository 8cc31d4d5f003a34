# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Reads the weights that Keras 2 saved, an HDF5 file, by their TensorFlow names."""

from __future__ import annotations

import os

import numpy as np
import torch
from torch import Tensor

from magnet_mm.errors import CheckpointError


def read_keras_weights(path: str | os.PathLike) -> dict[str, Tensor]:
    """Read every array of a ``save_weights`` file; nothing in it is executed.

    Keras writes ``<layer>/<TensorFlow name>:0``; the layer and the ``:0`` are left out here.

    Returns:
        Float tensors in TensorFlow's layout, such as ``conv2d_1/kernel``.

    Raises:
        CheckpointError: when h5py is not installed, or the file cannot be read, is damaged, or
            names one variable twice.
    """
    try:
        import h5py
    except ImportError as error:
        raise CheckpointError('Keras files are read by h5py: pip install h5py.') from error
    found: dict[str, Tensor] = {}

    def collect(name: str, node: object) -> None:
        if not isinstance(node, h5py.Dataset):
            return
        key = name.partition('/')[2].removesuffix(':0') or name
        if key in found:
            raise CheckpointError(f'{path} holds the variable {key} twice.')
        found[key] = torch.from_numpy(np.asarray(node[()], dtype=np.float32))

    try:
        with h5py.File(path, 'r') as file:
            file.get('model_weights', file).visititems(collect)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise CheckpointError(
            f'{path} cannot be read as a Keras file ({error}); it may be incomplete. Download it '
            'again.'
        ) from error
    return found


def tensorflow_layout(key: str, tensor: Tensor) -> Tensor:
    """Turn a TensorFlow tensor into torch's layout.

    Convolutions ``HWIO`` to ``OIHW``, matrices ``IO`` to ``OI``; others as they are.
    """
    order = {4: (3, 2, 0, 1), 2: (1, 0)}.get(tensor.dim())
    return tensor if order is None else tensor.permute(order).contiguous()
