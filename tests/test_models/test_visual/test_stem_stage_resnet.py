# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""EFN's ResNet: mmseg's, with a stage for the stem, torchvision's names and wide blocks."""

import pytest
import torch
from mmseg.models.backbones import ResNet

from magnet_mm.errors import ConfigError
from magnet_mm.models import StemStageResNet


@pytest.mark.parametrize('depth', [18, 50])
def test_stages_equal_mmseg_bit_for_bit(depth):
    ours = StemStageResNet(depth=depth, base_channels=8, norm_cfg=dict(type='BN'))
    theirs = ResNet(depth=depth, base_channels=8, stem_channels=8, strides=(1, 2, 2, 1))
    ours.eval()
    theirs.eval()
    report = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert report.missing_keys == []
    assert all(key.startswith('input_norm.') for key in report.unexpected_keys)
    ours.input_norm.running_mean.fill_(0.5)
    images = torch.randn(2, 3, 64, 50)
    with torch.no_grad():
        pixels = (images - 0.5) / (1 + 1e-5) ** 0.5
        expected = [theirs.relu(theirs.bn1(theirs.conv1(pixels))), *theirs(pixels)]
        x = ours.embed(images)
        for index, feature in enumerate(expected):
            x = ours.stage(index, x)
            torch.testing.assert_close(x.permute(0, 3, 1, 2), feature)
            assert x.shape[-1] == ours.channels[index]
            x = ours.downsample(index, x)
    assert expected[4].shape[2:] == expected[3].shape[2:] == (4, 4)


def test_wide_blocks_are_wide_inside():
    plain, wide = StemStageResNet(depth=50), StemStageResNet(depth=50, wide=True)
    assert wide.channels == plain.channels == (64, 256, 512, 1024, 2048)
    for block, width in ((wide.layer1[1], 128), (wide.layer4[0], 1024)):
        assert block.conv1.out_channels == block.conv2.out_channels == width
        assert block.conv3.out_channels == 2 * width
    # torchvision's wide_resnet50_2 has 68,883,240 parameters, 2,049,000 of them in its classifier.
    own = sum(p.numel() for name, p in wide.named_parameters() if not name.startswith('input_norm'))
    assert own == 68_883_240 - 2_049_000


def test_only_bottlenecks_are_wide():
    with pytest.raises(ConfigError, match='depth 18 does not exist'):
        StemStageResNet(depth=18, wide=True)
