# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CLIP's ResNet; its numbers are compared in tests/test_released/test_parity.py."""

import pytest
import torch
import torch.nn.functional as F

from magnet_mm.errors import CheckpointError
from magnet_mm.models import CrossModalEncoder, StagewiseClipResNet
from magnet_mm.models.visual.stagewise_clip_resnet import SpatialAttentionPool


def small() -> StagewiseClipResNet:
    return StagewiseClipResNet(width=8, num_blocks=(1, 2, 1, 1), embed_channels=12)


def test_strides_and_channels_of_what_the_heads_see():
    encoder = CrossModalEncoder(
        visual=dict(type='StagewiseClipResNet', width=8, num_blocks=(1,) * 4, embed_channels=12),
        text=dict(
            type='ClipTextEncoder', channels=16, embed_channels=12, num_layers=1, num_heads=2
        ),
    ).eval()
    maps = encoder.encode_images(torch.randn(2, 3, 64, 96))
    assert encoder.feature_channels == (32, 64, 128, 12)
    assert [tuple(m.shape[1:]) for m in maps] == [
        (32, 16, 24), (64, 8, 12), (128, 4, 6), (12, 2, 3),
    ]  # fmt: skip


def test_attention_pool_by_hand():
    """One head on a 7x7 map: softmax over all pixels, position rows 1 to 49, ReLU at the end."""
    pool = SpatialAttentionPool(6, 4, num_heads=1).double().eval()
    x = torch.randn(1, 6, 7, 7, dtype=torch.float64)
    tokens = (x.flatten(2) + pool.positional_embedding[1:].T).transpose(1, 2)[0]
    weights = (pool.q_proj(tokens) @ pool.k_proj(tokens).T / 6**0.5).softmax(1)
    attended = pool.c_proj(weights @ pool.v_proj(tokens)).T.reshape(1, 4, 7, 7)
    expected = F.relu(attended + pool.connect(x))
    torch.testing.assert_close(pool(x), expected)


def test_every_parameter_learns():
    model = small()
    x = model.embed(torch.randn(2, 3, 64, 64))
    for index in range(4):
        x = model.stage(index, x)
    (model.output(3, x) * torch.randn(2, 2, 2, 12)).sum().backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent in ([], ['attnpool.k_proj.bias'])  # a shift of all scores changes no softmax


def test_weights_come_from_a_clip_file_alone(tmp_path):
    source = small()
    clip = {f'visual.{k}': v for k, v in source.state_dict().items() if 'connect' not in k}
    torch.save(clip, tmp_path / 'clip.pth')
    model = small()
    model.pretrained = str(tmp_path / 'clip.pth')
    model.init_weights()
    assert torch.equal(model.layer2[1].conv2.weight, source.layer2[1].conv2.weight)
    assert not torch.equal(model.attnpool.connect[0].weight, source.attnpool.connect[0].weight)
    del clip['visual.layer3.0.conv1.weight']
    torch.save(clip, tmp_path / 'clip.pth')
    with pytest.raises(CheckpointError, match=r'visual\.layer3\.0\.conv1\.weight is missing'):
        model.init_weights()


def test_a_missing_file_says_how_to_make_it():
    model = small()
    model.pretrained = 'nowhere.pth'
    with pytest.raises(CheckpointError, match='no CLIP weights nowhere.pth.*CLIP_PATH'):
        model.init_weights()
