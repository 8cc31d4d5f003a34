# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The pixel decoder's own forward against mmdet's, with the same parameters."""

import copy

import pytest
import torch
from mmdet.models.layers import DeformableDetrTransformerEncoderLayer, MSDeformAttnPixelDecoder

from magnet_mm.models import DeformablePixelDecoder

CHANNELS = (8, 12, 16, 20)


def build(**kwargs) -> DeformablePixelDecoder:
    """A decoder whose weights are all random: mmdet starts the sampling offsets at zero."""
    sizes = dict(channels=32, num_layers=2, num_heads=4, ffn_channels=48) | kwargs
    decoder = DeformablePixelDecoder(CHANNELS, **sizes)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return decoder


def mmdet_twin(decoder: DeformablePixelDecoder) -> DeformablePixelDecoder:
    """The same weights in mmdet's own encoder layers, for mmdet's own forward."""
    twin = copy.deepcopy(decoder)
    twin.encoder._init_layers()
    assert type(twin.encoder.layers[0]) is DeformableDetrTransformerEncoderLayer
    twin.load_state_dict(decoder.state_dict())
    return twin


@pytest.mark.parametrize('heads', [1, 2])
def test_few_heads_look_around(heads):
    """The points start on a circle of one cell around the query, evenly spread."""
    decoder = DeformablePixelDecoder(CHANNELS, channels=32, num_layers=1, num_heads=heads)
    decoder.init_weights()
    attention = decoder.encoder.layers[0].self_attn
    offsets = attention.sampling_offsets.bias.view(heads, len(CHANNELS), -1, 2)
    torch.testing.assert_close(offsets.norm(dim=-1), torch.ones(offsets.shape[:-1]))
    torch.testing.assert_close(offsets, offsets[:, :1].expand_as(offsets))  # on every level
    directions = torch.atan2(offsets[:, 0, :, 1], offsets[:, 0, :, 0]).flatten().sort().values
    points = directions.numel()
    steps = directions.diff()
    torch.testing.assert_close(steps, torch.full_like(steps, 2 * torch.pi / points))
    assert attention.sampling_offsets.weight.abs().max() == 0


def test_many_heads_start_as_in_mmdet():
    decoder = DeformablePixelDecoder(CHANNELS, channels=32, num_layers=1, num_heads=4)
    decoder.init_weights()
    offsets = decoder.encoder.layers[0].self_attn.sampling_offsets.bias.view(4, len(CHANNELS), 4, 2)
    torch.testing.assert_close(offsets[0, 0, :, 0], torch.arange(1.0, 5.0))


def pyramid(*shapes: tuple[int, int], batch: int = 2) -> list[torch.Tensor]:
    return [
        torch.randn(batch, channels, *shape)
        for channels, shape in zip(CHANNELS, shapes, strict=True)
    ]


@pytest.mark.parametrize(
    'shapes',
    [
        ((16, 16), (8, 8), (4, 4), (2, 2)),
        ((8, 24), (4, 12), (2, 6), (1, 3)),
        ((13, 10), (7, 5), (4, 3), (2, 2)),
    ],
    ids=['square', 'wide', 'odd'],
)
def test_forward_equals_mmdet(shapes):
    decoder = build()
    feats = pyramid(*shapes)
    mask_feature, memories = decoder(feats)
    expected_feature, expected_memories = MSDeformAttnPixelDecoder.forward(
        mmdet_twin(decoder), feats
    )
    assert mask_feature.shape == (2, 32, *shapes[0])
    torch.testing.assert_close(mask_feature, expected_feature, rtol=1e-4, atol=1e-5)
    assert [tuple(memory.shape[2:]) for memory in memories] == [shapes[3], shapes[2], shapes[1]]
    for memory, expected in zip(memories, expected_memories, strict=True):
        torch.testing.assert_close(memory, expected, rtol=1e-4, atol=1e-5)


def test_gradients_equal_mmdet():
    decoder = build()
    feats = pyramid((8, 6), (4, 3), (2, 2), (1, 1))
    ours = torch.autograd.grad(decoder(feats)[0].square().mean(), decoder.parameters())
    twin = mmdet_twin(decoder)
    theirs = torch.autograd.grad(
        MSDeformAttnPixelDecoder.forward(twin, feats)[0].square().mean(), twin.parameters()
    )
    for (name, _), gradient, expected in zip(decoder.named_parameters(), ours, theirs, strict=True):
        assert expected.abs().max() > 0, name
        torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-5, msg=name)


def test_all_levels_take_part():
    """Stride 4 reads the coarsest level, and the coarsest memory reads stride 4."""
    decoder = build().eval()
    feats = pyramid((16, 16), (8, 8), (4, 4), (2, 2))
    with torch.no_grad():
        mask_feature, memories = decoder(feats)
        coarse_changed = decoder([*feats[:3], feats[3] + torch.randn_like(feats[3])])
        fine_changed = decoder([feats[0] + torch.randn_like(feats[0]), *feats[1:]])
    assert (coarse_changed[0] - mask_feature).abs().max() > 1e-4
    assert (fine_changed[1][0] - memories[0]).abs().max() > 1e-4


def test_defaults_are_the_released_sizes():
    decoder = DeformablePixelDecoder(CHANNELS)
    layer = decoder.encoder.layers[0]
    assert len(decoder.encoder.layers) == 4
    assert layer.self_attn.num_heads == 8
    assert layer.self_attn.num_levels == 4
    assert layer.self_attn.num_points == 4
    assert layer.ffn.feedforward_channels == 1024
    assert decoder.mask_feature.weight.shape == (256, 256, 1, 1)
    assert len(decoder.lateral_convs) == 0  # no FPN level beside the encoder
    assert [conv.conv.in_channels for conv in decoder.input_convs] == [20, 16, 12, 8]
