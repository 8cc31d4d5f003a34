# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""StagewiseSwin replays mmseg's SwinTransformer."""

import pytest
import torch
from mmseg.models.backbones import SwinTransformer

from magnet_mm.errors import CheckpointError
from magnet_mm.models import StagewiseSwin

SIZES = dict(
    embed_dims=8,
    depths=(1, 2, 2, 1),
    num_heads=(1, 2, 2, 4),
    window_size=3,
    drop_path_rate=0.1,
)


def build_pair() -> tuple[StagewiseSwin, SwinTransformer]:
    """Ours and mmseg's with the same random weights, in eval mode."""
    ours, theirs = StagewiseSwin(**SIZES), SwinTransformer(**SIZES)
    with torch.no_grad():
        for parameter in ours.parameters():  # relative position biases start at zero otherwise
            parameter.copy_(0.2 * torch.randn_like(parameter))
    missing, unexpected = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert not unexpected
    assert {name.split('.')[0] for name in missing} == {'norm0', 'norm1', 'norm2', 'norm3'}
    for index in range(4):  # our fusion modules own the output norms
        setattr(theirs, f'norm{index}', torch.nn.Identity())
    ours.eval()
    theirs.eval()
    return ours, theirs


@pytest.mark.parametrize('size', [(64, 64), (96, 32), (50, 37)], ids=str)
def test_stages_equal_mmseg(size):
    ours, theirs = build_pair()
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        expected = theirs(images)
        x = ours.embed(images)
        for index in range(4):
            x = ours.stage(index, x)
            torch.testing.assert_close(
                x.permute(0, 3, 1, 2), expected[index], rtol=1e-5, atol=1e-5, msg=f'stage {index}'
            )
            if index < 3:
                x = ours.downsample(index, x)


def test_output_norms_are_mmsegs():
    ours, theirs = StagewiseSwin(output_norms=True, **SIZES), SwinTransformer(**SIZES)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.copy_(0.2 * torch.randn_like(parameter))
    theirs.load_state_dict(ours.state_dict())  # the norms too
    images = torch.randn(2, 3, 50, 37)
    ours.eval()
    theirs.eval()
    with torch.no_grad():
        x = ours.embed(images)
        for index, expected in enumerate(theirs(images)):
            x = ours.stage(index, x)
            output = ours.output(index, x).permute(0, 3, 1, 2)
            torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-5)
            if index < 3:
                x = ours.downsample(index, x)


def test_sizes_follow_the_strides():
    ours, _ = build_pair()
    assert ours.channels == (8, 16, 32, 64)
    x = ours.embed(torch.randn(1, 3, 50, 37))
    shapes = []
    for index in range(4):
        x = ours.stage(index, x)
        shapes.append(tuple(x.shape))
        if index < 3:
            x = ours.downsample(index, x)
    # Padded at the end where a size does not divide: 50 -> 13 -> 7 -> 4 -> 2, 37 -> 10 -> 5 ...
    assert shapes == [(1, 13, 10, 8), (1, 7, 5, 16), (1, 4, 3, 32), (1, 2, 2, 64)]


def test_frozen_stages_stay_frozen_in_training():
    model = StagewiseSwin(frozen_stages=2, **SIZES)
    model.train()
    frozen = {
        '.'.join(name.split('.')[:2])
        for name, parameter in model.named_parameters()
        if not parameter.requires_grad
    }
    assert frozen == {'patch_embed.projection', 'patch_embed.norm', 'stages.0', 'stages.1'}
    assert not model.stages[1].training
    assert model.stages[2].training
    assert all(parameter.requires_grad for parameter in model.stages[2].parameters())


def pretrained(tmp_path, weights: dict) -> StagewiseSwin:
    """A Swin whose init_cfg names a file with these weights."""
    torch.save({'state_dict': weights}, tmp_path / 'swin.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'swin.pth'))
    return StagewiseSwin(**SIZES, init_cfg=init_cfg)


def test_pretrained_weights_are_loaded(tmp_path):
    source = SwinTransformer(**SIZES)
    model = pretrained(tmp_path, {'backbone.' + k: v for k, v in source.state_dict().items()})
    model.init_weights()
    for name, value in model.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name


def test_a_checkpoint_that_loads_nothing_is_an_error(tmp_path):
    other = {'encoder.' + k: v for k, v in SwinTransformer(**SIZES).state_dict().items()}
    with pytest.raises(
        CheckpointError, match=r'does not fit this StagewiseSwin.*patch_embed\.projection'
    ):
        pretrained(tmp_path, other).init_weights()
