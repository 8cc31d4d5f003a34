# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Darknet-53 with YOLOv3's six convolutions: maps, freezing, weights of a detector."""

import pytest
import torch
from mmdet.models.backbones import Darknet
from mmdet.models.dense_heads import YOLOV3Head
from mmdet.models.necks import YOLOV3Neck
from mmengine.registry import DefaultScope

from magnet_mm.errors import CheckpointError, ConfigError
from magnet_mm.models import StagewiseDarknet, YoloDarknet

NARROW = {53: ((1, 1, 1, 1, 1), ((32, 8), (8, 8), (8, 16), (16, 32), (32, 64)))}


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setattr(Darknet, 'arch_settings', NARROW)


def maps(model, images):
    x, found = model.embed(images), []
    for index in range(3):
        x = model.stage(index, x)
        found.append(x.permute(0, 3, 1, 2))
        x = model.downsample(index, x)
    return found


def test_maps_are_darknets_and_the_last_goes_on():
    ours, theirs = YoloDarknet().eval(), StagewiseDarknet(out_indices=(3, 4, 5))
    theirs.eval()
    theirs.load_state_dict(ours.state_dict(), strict=False)
    assert ours.channels == (16, 32, 64)
    images = torch.randn(1, 3, 64, 32)
    with torch.no_grad():
        fine, middle, coarse = maps(ours, images)
        expected = theirs(images)
        assert torch.equal(fine, expected[0]) and torch.equal(middle, expected[1])
        torch.testing.assert_close(coarse, ours.head_convs(expected[2]))
    assert [layer.conv.kernel_size[0] for layer in ours.head_convs] == [1, 3] * 3
    assert [layer.conv.out_channels for layer in ours.head_convs] == [32, 64] * 3


def test_what_is_frozen():
    model = YoloDarknet(frozen_head_convs=4, norm_eval=False).train()
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert {name.split('.')[1] for name in trained} == {'4', '5'}
    assert all(name.startswith('head_convs.') for name in trained)
    assert not model.conv1.bn.training and not model.head_convs[3].bn.training
    assert model.head_convs[4].bn.training and model.training
    assert all(p.requires_grad for p in YoloDarknet().parameters())


def test_a_number_that_is_none():
    with pytest.raises(ConfigError, match='0 to 6, not 7'):
        YoloDarknet(frozen_head_convs=7)


def test_a_whole_detector_is_loaded(tmp_path):
    """mmdet's YOLOv3: the six are five of its neck and the bridge of its head."""
    with DefaultScope.overwrite_default_scope('mmdet'):  # the head looks its coder up
        detector = torch.nn.ModuleDict(
            dict(
                backbone=Darknet(out_indices=(3, 4, 5)),
                neck=YOLOV3Neck(3, [64, 32, 16], [32, 16, 8]),
                bbox_head=YOLOV3Head(2, [32, 16, 8], [64, 32, 16]),
            )
        )
    for buffer in detector.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1)
    path = tmp_path / 'detector.pth'
    torch.save(dict(state_dict=detector.state_dict()), path)
    model = YoloDarknet(init_cfg=dict(type='Pretrained', checkpoint=str(path)))
    model.init_weights()
    model.eval()
    detector.eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        coarse = detector['backbone'](images)[-1]
        block, bridge = detector['neck'].detect1, detector['bbox_head'].convs_bridge[0]
        torch.testing.assert_close(maps(model, images)[-1], bridge(block(coarse)))


def test_darknet_alone_leaves_the_six_fresh(tmp_path):
    path = tmp_path / 'darknet.pth'
    torch.save(Darknet().state_dict(), path)
    model = YoloDarknet(init_cfg=dict(type='Pretrained', checkpoint=str(path)))
    before = model.head_convs[0].conv.weight.clone()
    model.init_weights()
    assert torch.equal(model.head_convs[0].conv.weight, before)
    torch.save(dict(other=torch.zeros(1)), path)
    with pytest.raises(CheckpointError, match='does not fit'):
        YoloDarknet(init_cfg=dict(type='Pretrained', checkpoint=str(path))).init_weights()
