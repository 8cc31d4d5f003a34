# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""StagewiseDarknet replays mmdet's Darknet, and warns of weights that have seen the test images."""

import warnings

import pytest
import torch
from mmdet.models.backbones import Darknet

from magnet_mm.models import StagewiseDarknet

NARROW = {53: ((1, 1, 2, 1, 1), ((32, 8), (8, 8), (8, 16), (16, 32), (32, 64)))}


def test_stages_equal_mmdet_bit_for_bit(monkeypatch):
    monkeypatch.setattr(Darknet, 'arch_settings', NARROW)
    ours, theirs = StagewiseDarknet(), Darknet(out_indices=(2, 3, 4, 5))
    theirs.load_state_dict(ours.state_dict())
    ours.eval()
    theirs.eval()
    assert ours.channels == (8, 16, 32, 64)
    images = torch.randn(2, 3, 64, 50)
    with torch.no_grad():
        expected = theirs(images)
        x = ours.embed(images)
        for index, feature in enumerate(expected):
            x = ours.stage(index, x)
            assert torch.equal(x.permute(0, 3, 1, 2), feature)
            x = ours.downsample(index, x)
    assert [feature.shape[2] for feature in expected] == [16, 8, 4, 2]


def test_published_widths():
    with torch.device('meta'):
        assert StagewiseDarknet().channels == (128, 256, 512, 1024)


def test_detector_weights_are_warned_of(monkeypatch):
    monkeypatch.setattr(Darknet, 'arch_settings', NARROW)
    weights = dict(type='Pretrained', checkpoint='https://host/yolov3_d53.pth', prefix='backbone.')
    with pytest.warns(UserWarning, match='has seen the val and test images of RefCOCO'):
        StagewiseDarknet(init_cfg=weights)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        StagewiseDarknet(init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://darknet53'))
        StagewiseDarknet()
