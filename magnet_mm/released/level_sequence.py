# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Released CMPC and LSCM: what their variables have in common (docs/methods/cmpc.md)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from torch import Tensor

from magnet_mm.errors import CheckpointError
from magnet_mm.released.published import PublishedCheckpoint
from magnet_mm.released.tensorflow import (
    caffe_resnet_names,
    read_variables,
    split_lstm,
    to_torch,
)

_LSTM = 'text_objseg/RNN/multi_rnn_cell/cell_0/basic_lstm_cell'
_CONV_LSTM = 'text_objseg/rnn/conv_lstm_cell'
RESNET101 = {2: 3, 3: 4, 4: 23, 5: 3}
#: Variables of the optimiser, and of DeepLab's own classifier.
WITHOUT_EFFECT = (
    r'global_step|Variable|beta[12]_power',
    r'.+/Adam(?:_1)?',
    r'(?:.+/)?fc1_voc12_c\d/(?:weights|biases)',
)
# A variable by which each network is known.
_MARKS = {'cmpc': 'text_objseg/words_parse_1/DW', 'lscm': 'text_objseg/vis_key_c5/DW'}


def normal_form(variables: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """Variables in torch's layouts, the LSTM's split, the embedding as it is.

    Raises:
        CheckpointError: when the variables of the LSTM are not there.
    """
    lstm = {f'{_LSTM}/kernel', f'{_LSTM}/bias'}
    if not lstm <= set(variables):
        raise CheckpointError(f'There is no {_LSTM}: these are no variables of CMPC or LSCM.')
    bias = variables[f'{_LSTM}/bias']
    parts = split_lstm(variables[f'{_LSTM}/kernel'], bias, len(bias) // 4)
    state = {f'{_LSTM}/{name}': value for name, value in parts.items()}
    for name, value in variables.items():
        if name not in lstm:
            is_table = name == 'text_objseg/Variable'
            state[name] = to_torch(value.T) if is_table else to_torch(value)
    return state


def read_released(path: str | os.PathLike) -> PublishedCheckpoint:
    """Read an ``.npz`` with the variables of a released network.

    Raises:
        CheckpointError: when it cannot be read or is of neither network.
    """
    variables = read_variables(path)
    for layout, mark in _MARKS.items():
        if mark in variables:
            return PublishedCheckpoint(layout, normal_form(variables))
    raise CheckpointError(
        f'{path} holds neither CMPC nor LSCM: no {" or ".join(_MARKS.values())} among its '
        f'{len(variables)} variables.'
    )


def linear_layout(key: str, tensor: Tensor) -> Tensor:
    """1x1 convolutions of the head as linear layers; the others stay convolutions."""
    plain = ('.lateral.conv.', 'backbone.visual.', 'score')
    if tensor.dim() == 4 and not any(part in key for part in plain):
        return tensor.flatten(1)
    return tensor


def shared_rules(levels: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Rules of text encoder, backbone, MUTAN, fusion, ConvLSTM and scores."""
    yield r'text_objseg/Variable', 'backbone.text.embedding.weight'
    yield rf'{_LSTM}/((?:weight|bias)_[ih]h_l0)', r'backbone.text.lstm.\1'
    for theirs, ours in caffe_resnet_names(RESNET101):
        yield rf'(?:.+/)?{theirs}', f'backbone.visual.{ours}'
    for level in levels:
        yield from conv(f'{level}_lateral', f'inputs.{level}.lateral.conv')
        for head in range(1, 6):
            mutan = f'inputs.{level}.mutan'
            yield from conv(f'vis_trans_{level}_head{head}', f'{mutan}.visual.{head - 1}')
            yield from conv(f'lang_trans_{level}_head{head}', f'{mutan}.text.{head - 1}')
        yield from conv(f'fusion_{level}', f'outputs.{level}.fuse')
        yield from conv(f'score_{level}', f'level_scores.{level}')
    yield from conv('score', 'score')
    cell = 'decode_head.conv_lstm.cell'
    yield rf'{_CONV_LSTM}/kernel', f'{cell}.kernel'
    for gate in 'ifo':
        yield rf'{_CONV_LSTM}/W_c{gate}', f'{cell}.peephole_{gate}'
    for number, gate in enumerate('jifoc'):
        suffix = f'_{number}' if number else ''
        yield from norm(f'rnn/conv_lstm_cell/LayerNorm{suffix}', f'conv_lstm.cell.norms.{gate}')


def conv(theirs: str, ours: str) -> Iterator[tuple[str, str]]:
    """Rules of a convolution of the head."""
    yield rf'text_objseg/{theirs}/DW', f'decode_head.{ours}.weight'
    yield rf'text_objseg/{theirs}/biases', f'decode_head.{ours}.bias'


def norm(theirs: str, ours: str) -> Iterator[tuple[str, str]]:
    """Rules of a layer norm of the head."""
    yield rf'text_objseg/{theirs}/gamma', f'decode_head.{ours}.weight'
    yield rf'text_objseg/{theirs}/beta', f'decode_head.{ours}.bias'
