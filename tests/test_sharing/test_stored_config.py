# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The config inside a checkpoint comes out as it went in, and nothing of it runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config

from magnet_mm.errors import CheckpointError
from magnet_mm.sharing.stored_config import stored_config

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


def checkpoint(text: str) -> dict:
    return dict(meta=dict(cfg=text), state_dict={})


@pytest.mark.parametrize(
    'name', ['magnet_tiny_refshapes', 'rela_swinb_grefcoco', 'vlt_darknet53_refcoco']
)
def test_what_mmengine_writes_is_read_back(name):
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    assert stored_config(checkpoint(cfg.pretty_text), 'a.pth').to_dict() == cfg.to_dict()


@pytest.mark.parametrize(
    ('text', 'told'),
    [
        ('import os', 'line 1 is no assignment'),
        ('a = 1\nb = __import__("os").getcwd()', 'more than plain values'),
        ('a = [x for x in ()]', 'more than plain values'),
        ('a = dict(**{"b": 1})', 'more than plain values'),
        ('a = (', 'more than plain values'),
        ('a = ' + '[' * 5000, 'more than plain values'),
        ("model = dict(type='os.system', command='true')", 'asks for os.system'),
        ("model = dict(type='mmengine.load', file='a')", 'asks for mmengine.load'),
        ("a = dict(b=[dict(constructor='os.abort')])", 'asks for os.abort'),
        ("runner_type = 'subprocess.Popen'", 'asks for subprocess.Popen'),
        ("model = dict(type='VPD')", 'a shared model may not hold'),
        ("model = dict(type='Unknown')", 'no registered component'),
        (
            "model = dict(type='ReferringSegmentor', loss=dict(class_weight='a/b.pkl'))",
            'reads no file',
        ),
        ("custom_imports = dict(imports=['magnet_mm', 'evil'])", 'asks for the import of evil'),
    ],
)
def test_what_could_run_is_refused(text, told):
    with pytest.raises(CheckpointError, match=told) as raised:
        stored_config(checkpoint(text), 'a.pth')
    assert 'a.pth' in str(raised.value)


@pytest.mark.parametrize('loaded', [{}, dict(meta=None), dict(meta=dict(cfg=7))])
def test_weights_without_a_config(loaded):
    with pytest.raises(CheckpointError, match='does not say which config'):
        stored_config(loaded, 'a.pth')
