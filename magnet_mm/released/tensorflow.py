# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Variables of TensorFlow 1 networks: from a file, and into torch's layouts.

TensorFlow's own checkpoint format is not read here; two lines write the ``.npz`` that is
(tools/model_converters/README.md).
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from magnet_mm.errors import CheckpointError


def read_variables(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read variables by their TensorFlow names from an ``.npz``, which holds arrays alone.

    Raises:
        CheckpointError: when the file is absent, damaged or no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f'{path} cannot be read as an .npz of TensorFlow variables ({error}). Write one as '
            'tools/model_converters/README.md says.'
        ) from error


def to_torch(value: np.ndarray) -> Tensor:
    """Turn a variable into torch's layout.

    Convolutions ``H, W, I, O`` to ``O, I, H, W``, matrices ``I, O`` to ``O, I``; others stay.
    """
    order = {4: (3, 2, 0, 1), 2: (1, 0)}.get(value.ndim)
    value = value if order is None else value.transpose(order)
    return torch.from_numpy(np.ascontiguousarray(value, dtype=np.float32))


def split_lstm(kernel: np.ndarray, bias: np.ndarray, hidden_size: int) -> dict[str, Tensor]:
    """Turn BasicLSTMCell's variables into ``nn.LSTM``'s.

    Its gates stand in the order i, j, f, o, torch's in i, f, g (its j), o; one kernel
    ``[I + H, 4H]`` serves input and state; 1 is added to the forget gate at run time.

    Returns:
        ``weight_ih_l0``, ``weight_hh_l0``, ``bias_ih_l0`` and ``bias_hh_l0`` (0).
    """
    i, j, f, o = to_torch(kernel).split(hidden_size)
    weight = torch.cat([i, f, j, o])
    i, j, f, o = torch.from_numpy(bias.astype(np.float32)).split(hidden_size)
    bias_ih = torch.cat([i, f + 1, j, o])
    inputs = weight.shape[1] - hidden_size
    return dict(
        weight_ih_l0=weight[:, :inputs].contiguous(),
        weight_hh_l0=weight[:, inputs:].contiguous(),
        bias_ih_l0=bias_ih,
        bias_hh_l0=torch.zeros_like(bias_ih),
    )


def caffe_resnet_names(blocks: Mapping[int, int]) -> Iterator[tuple[str, str]]:
    """Yield the names of Caffe's ResNet as converted to TensorFlow, and mmseg's.

    Args:
        blocks: number of blocks of stages 2..5; a stage of more than 3 numbers them a, b1, b2, ...
    """
    yield 'conv1/weights', 'conv1.weight'
    yield from _batch_norm('bn_conv1', 'bn1')
    for stage, count in blocks.items():
        numbered = ['a', *(f'b{index}' for index in range(1, count))]
        for index, letter in enumerate(numbered if count > 3 else 'abc'[:count]):
            ours = f'layer{stage - 1}.{index}'
            parts = [('2a', 'conv1', 'bn1'), ('2b', 'conv2', 'bn2'), ('2c', 'conv3', 'bn3')]
            if index == 0:
                parts.append(('1', 'downsample.0', 'downsample.1'))
            for branch, conv, norm in parts:
                yield f'res{stage}{letter}_branch{branch}/weights', f'{ours}.{conv}.weight'
                yield from _batch_norm(f'bn{stage}{letter}_branch{branch}', f'{ours}.{norm}')


def _batch_norm(theirs: str, ours: str) -> Iterator[tuple[str, str]]:
    names = dict(
        gamma='weight', beta='bias', moving_mean='running_mean', moving_variance='running_var'
    )
    for variable, name in names.items():
        yield f'{theirs}/{variable}', f'{ours}.{name}'
