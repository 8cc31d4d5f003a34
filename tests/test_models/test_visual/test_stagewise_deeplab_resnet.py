# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""DeepLab's ResNet: TensorFlow's padding at the start, Caffe's strides, dilated last stages."""

import pytest
import torch
import torch.nn.functional as F

from magnet_mm.models.visual.stagewise_deeplab_resnet import StagewiseDeepLabResNet


@pytest.fixture
def net():
    net = StagewiseDeepLabResNet(depth=50, base_channels=4, norm_cfg=dict(type='BN'))
    net.eval()
    return net


@torch.no_grad()
@pytest.mark.parametrize('size', [32, 33])
def test_start(net, size):
    """Even: 2 before and 3 behind, then 0 and 1; odd: 3 and 3, then 1 and 1 where 17 is odd."""
    images = torch.randn(1, 3, size, size)
    padding = (2, 3) if size == 32 else (3, 3)
    x = F.conv2d(F.pad(images, padding * 2), net.conv1.weight, stride=2)
    x = net.norm1(x).relu()
    pool = (0, 1) if size == 32 else (1, 1)
    expected = F.max_pool2d(F.pad(x, pool * 2), 3, 2).permute(0, 2, 3, 1)
    torch.testing.assert_close(net.embed(images), expected)


@torch.no_grad()
def test_stages(net):
    x = net.embed(torch.randn(1, 3, 64, 64))
    sizes = []
    for index in range(4):
        x = net.stage(index, x)
        sizes.append(tuple(x.shape[1:]))
    assert sizes == [(16, 16, 16), (8, 8, 32), (8, 8, 64), (8, 8, 128)]
    assert net.channels == (16, 32, 64, 128)
    first = net.layer2[0]
    assert first.conv1.stride == (2, 2) and first.conv2.stride == (1, 1)
    assert {block.conv2.dilation for block in net.layer3} == {(2, 2)}
    assert {block.conv2.dilation for block in net.layer4} == {(4, 4)}
