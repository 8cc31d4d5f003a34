# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""mmcv-lite is enough: operators that are missing say so when they are called, and no earlier.

That mmseg's own tools start with it too is shown in ``test_tools/test_train_and_test.py``.
"""

import importlib
import inspect
import sys

import mmcv
import pytest
import torch

from magnet_mm.mmcv_operators import EXTENSION, MissingExtension, provide_operators
from magnet_mm.models.layers import deformable_attention


@pytest.fixture
def no_extension(monkeypatch):
    """As in a new process with mmcv-lite: nothing is loaded, and mmcv's folder has no operators."""
    monkeypatch.delitem(sys.modules, EXTENSION, raising=False)
    monkeypatch.delattr(mmcv, '_ext', raising=False)
    monkeypatch.setattr(mmcv, '__path__', [])


def test_a_called_operator_says_what_to_install(no_extension):
    assert provide_operators()
    extension = importlib.import_module(EXTENSION)
    for call in (extension.nms, extension.ms_deform_attn_forward):
        with pytest.raises(NotImplementedError) as caught:
            call(torch.zeros(1), iou_threshold=0.5)
        message = str(caught.value)
        assert f'The operator {call.__name__} needs the compiled mmcv' in message
        assert 'pip uninstall -y mmcv-lite' in message
        assert 'requirements/mminstall-compiled.txt' in message
    assert extension.nms.__name__ == 'nms'


def test_it_looks_like_a_module(no_extension):
    assert provide_operators()
    extension = importlib.import_module(EXTENSION)
    for name in ('__path__', '__file__', '__wrapped__', '__array__'):
        assert not hasattr(extension, name)
    assert inspect.getmodule(extension) is extension
    assert provide_operators()  # a second import of the package changes nothing
    assert sys.modules[EXTENSION] is extension


def test_real_operators_are_never_hidden(no_extension, tmp_path, monkeypatch):
    (tmp_path / '_ext.py').write_text('nms = len\n')
    monkeypatch.setattr(mmcv, '__path__', [str(tmp_path)])
    assert not provide_operators()
    assert importlib.import_module(EXTENSION).nms is len
    assert not provide_operators()  # nor once they are loaded


def test_on_cuda_deformable_attention_does_without(monkeypatch):
    """What it asks mmcv is answered by the stand-in, as by a mmcv compiled without CUDA."""
    extension = MissingExtension(EXTENSION)
    info = importlib.import_module('mmcv.ops.info')
    monkeypatch.setattr(info, 'ext_module', extension)
    ask = inspect.unwrap(sys.modules[deformable_attention.__module__]._mmcv_has_cuda_kernel)
    with pytest.warns(UserWarning, match='mminstall-compiled.txt with FORCE_CUDA=1'):
        assert ask() is False
