# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Plain counterparts of what mmengine stores."""

from collections import OrderedDict, deque
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import HistoryBuffer

from magnet_mm.engine.checkpointing.plain_types import restore_history_buffers, to_plain
from magnet_mm.errors import CheckpointError


@pytest.mark.parametrize(
    ('value', 'plain'),
    [
        (np.float64(1.5), 1.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array(['a', 'b']), ['a', 'b']),
        (ConfigDict(a=[ConfigDict(b=1)]), {'a': [{'b': 1}]}),
        (Config(dict(a=(1, 2))), {'a': (1, 2)}),
        (deque([1, 2]), [1, 2]),
        (Path('a') / 'b', 'a/b'),
        ({'x': {1, 2}, 'y': None}, {'x': {1, 2}, 'y': None}),
    ],
)
def test_values(value, plain, tmp_path):
    converted = to_plain(value)
    assert converted == plain
    assert type(converted) is type(plain)
    torch.save(converted, tmp_path / 'value.pth')
    assert torch.load(tmp_path / 'value.pth', weights_only=True) == plain


@pytest.mark.parametrize('dtype', ['float64', 'float32', 'int64', 'uint8', 'bool', '>f8'])
def test_arrays_become_tensors_or_lists(dtype):
    array = np.array([[0, 1]], dtype=dtype)
    assert to_plain(array).__class__ in (torch.Tensor, list)
    assert np.asarray(to_plain(array)).tolist() == array.tolist()


def test_plain_containers_are_not_copied():
    state_dict = OrderedDict(weight=torch.ones(1))
    state_dict._metadata = {'': {'version': 2}}
    assert to_plain(state_dict) is state_dict
    assert to_plain(state_dict)._metadata == {'': {'version': 2}}


def test_history_comes_back():
    buffer = HistoryBuffer([0.1, 0.2, 0.7], [1, 2, 1], max_length=5)
    (restored,) = restore_history_buffers(dict(loss=to_plain(buffer))).values()
    assert restored.data[0].tolist() == [0.1, 0.2, 0.7]
    assert restored.data[1].tolist() == [1, 2, 1]
    assert restored.max_length == 5
    assert restored.mean(3) == buffer.mean(3)
    assert restore_history_buffers(dict(other=3)) == dict(other=3)


def test_place_of_an_object_is_named():
    with pytest.raises(CheckpointError, match=r"meta\['a'\]\[1\] is a builtins.object"):
        to_plain(dict(a=[1, object()]), 'meta')
