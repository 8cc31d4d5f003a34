# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""StagewiseResNet replays mmseg's ResNetV1c."""

import pytest
import torch
from mmseg.models.backbones import ResNetV1c

from magnet_mm.models import StagewiseResNet


@pytest.mark.parametrize('depth', [18, 50])
def test_stages_equal_mmseg_bit_for_bit(depth):
    sizes = dict(depth=depth, base_channels=8, stem_channels=8)
    ours, theirs = StagewiseResNet(**sizes), ResNetV1c(**sizes)
    theirs.load_state_dict(ours.state_dict())
    ours.eval()
    theirs.eval()
    images = torch.randn(2, 3, 64, 50)
    with torch.no_grad():
        expected = theirs(images)
        x = ours.embed(images)
        for index, feature in enumerate(expected):
            x = ours.stage(index, x)
            assert torch.equal(x.permute(0, 3, 1, 2), feature)
            assert x.shape[-1] == ours.channels[index]
            x = ours.downsample(index, x)
