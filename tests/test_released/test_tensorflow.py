# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Variables of TensorFlow 1: reading, layouts, and the key lists of CMPC and LSCM."""

from pathlib import Path

import numpy as np
import pytest
import torch
from parity.golden import read_keys
from parity.tf_layout import fill_rule, variables

from magnet_mm.errors import CheckpointError
from magnet_mm.released.cmpc import CMPC
from magnet_mm.released.level_sequence import RESNET101, read_released
from magnet_mm.released.lscm import LSCM
from magnet_mm.released.tensorflow import caffe_resnet_names, split_lstm, to_torch

REFERENCE = Path(__file__).resolve().parents[1] / 'data' / 'reference'


def test_layouts():
    kernel = np.arange(24).reshape(1, 2, 3, 4)
    assert to_torch(kernel).shape == (4, 3, 1, 2) and to_torch(kernel)[3, 1, 0, 1] == 19
    assert to_torch(np.array([[1, 2, 3]])).tolist() == [[1], [2], [3]]
    assert to_torch(np.array([5.0])).tolist() == [5]


def test_lstm():
    kernel = np.arange(24, dtype=np.float32).reshape(3, 8)  # 1 input, 2 hidden, gates i j f o
    parts = split_lstm(kernel, np.arange(8, dtype=np.float32), 2)
    assert parts['weight_ih_l0'][:, 0].tolist() == [0, 1, 4, 5, 2, 3, 6, 7]  # i f j o
    assert parts['weight_hh_l0'][0].tolist() == [8, 16]
    assert parts['bias_ih_l0'].tolist() == [0, 1, 5, 6, 2, 3, 6, 7]  # 1 more for f
    assert parts['bias_hh_l0'].abs().sum() == 0


def test_names_of_the_backbone():
    names = dict(caffe_resnet_names(RESNET101))
    assert len(names) == 5 * 104
    assert names['res4b22_branch2c/weights'] == 'layer3.22.conv3.weight'
    assert names['bn2c_branch2a/moving_mean'] == 'layer1.2.bn1.running_mean'
    assert names['res5a_branch1/weights'] == 'layer4.0.downsample.0.weight'


@pytest.mark.parametrize('system', ['cmpc', 'lscm'])
def test_fill_rules(system):
    """The rule that serves files without fill keys is that of the files that have them."""
    keys = read_keys(REFERENCE / f'{system}_small_keys.json.gz')
    stored = read_keys(REFERENCE / f'{system}_small_fill_keys.json.gz')
    for name, (_, shape) in keys.items():
        key, torch_shape, gain, offset = fill_rule(name, shape)
        assert [key, list(torch_shape), gain, offset] == stored[name], name


@pytest.mark.parametrize(('system', 'key_map'), [('cmpc', CMPC), ('lscm', LSCM)])
def test_every_released_key_has_a_place(system, key_map):
    keys = read_keys(REFERENCE / f'{system}_keys.json.gz')
    lstm = {name for name in keys if '/basic_lstm_cell/' in name}
    translated = [key_map.translate(name) for name in keys if name not in lstm]
    assert None not in translated and len(set(translated)) == len(keys) - len(lstm) == len(keys) - 2
    assert key_map.translate('scope/bn4b3_branch2a/gamma') == 'backbone.visual.layer3.3.bn1.weight'
    for name in ('text_objseg/score/DW/Adam_1', 'beta1_power', 'DeepLab/fc1_voc12_c0/weights'):
        assert key_map.translate(name) is None


def test_files(tmp_path):
    small = {'text_objseg/vis_key_c5/DW': ['float32', [1, 1, 2, 3]]}
    for leaf, shape in (('kernel', [3, 8]), ('bias', [8])):
        small[f'text_objseg/RNN/multi_rnn_cell/cell_0/basic_lstm_cell/{leaf}'] = ['float32', shape]
    np.savez(tmp_path / 'lscm.npz', **variables(small, None))
    found = read_released(tmp_path / 'lscm.npz')
    assert found.layout == 'lscm'
    assert found.state_dict['text_objseg/vis_key_c5/DW'].shape == (3, 2, 1, 1)
    assert all(isinstance(value, torch.Tensor) for value in found.state_dict.values())
    np.savez(tmp_path / 'other.npz', a=np.zeros(3))
    with pytest.raises(CheckpointError, match='neither CMPC nor LSCM'):
        read_released(tmp_path / 'other.npz')
    (tmp_path / 'damaged.npz').write_bytes(b'PK\x03\x04 no zip')
    for name in ('damaged.npz', 'absent.npz'):
        with pytest.raises(CheckpointError, match=r'README\.md'):
            read_released(tmp_path / name)


def test_objects_are_not_unpickled(tmp_path):
    np.savez(tmp_path / 'objects.npz', a=np.array([object()], dtype=object))
    with pytest.raises(CheckpointError, match='cannot be read'):
        read_released(tmp_path / 'objects.npz')
