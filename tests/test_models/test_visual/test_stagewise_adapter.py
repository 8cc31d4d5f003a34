# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The generic route: backbones are opened where that is right, else their maps are fused."""

import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from magnet_mm.errors import ConfigError
from magnet_mm.models import CrossModalEncoder, StagewiseAdapter

OPENED = dict(
    resnet=dict(type='mmdet.ResNet', depth=18, base_channels=8),
    resnet_v1c=dict(type='ResNetV1c', depth=18, base_channels=8, stem_channels=8),
    resnext=dict(type='mmdet.ResNeXt', depth=50, groups=2, base_width=4, base_channels=8),
    csp_darknet=dict(type='mmdet.CSPDarknet', widen_factor=0.125, deepen_factor=0.33),
    mobilenet=dict(type='MobileNetV2', widen_factor=0.25, out_indices=(1, 2, 4, 6)),
    segformer=dict(
        type='MixVisionTransformer', embed_dims=8, num_layers=[1, 1, 1, 1], num_heads=[1, 1, 2, 2]
    ),
)
# Output norms and cross-scale exchange are not between the stages.
CLOSED = dict(
    swin=dict(
        type='SwinTransformer',
        embed_dims=8,
        depths=(1, 1, 1, 1),
        num_heads=(1, 1, 2, 2),
        window_size=4,
    ),  # fmt: skip
    three_of_swin=dict(
        type='SwinTransformer',
        embed_dims=8,
        depths=(1, 1, 1),
        num_heads=(1, 1, 2),
        window_size=4,
        out_indices=(0, 1, 2),
        strides=(4, 2, 2),
    ),  # fmt: skip
)


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmseg')


@pytest.mark.parametrize('backbone', OPENED.values(), ids=OPENED)
def test_opened_stages_equal_the_backbone(backbone):
    adapter = StagewiseAdapter(backbone)
    assert adapter.stagewise
    adapter.eval()
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        x = adapter.embed(images)
        expected = adapter.backbone(images)
        assert len(expected) == len(adapter.channels)
        for index, feature in enumerate(expected):
            x = adapter.stage(index, x)
            assert adapter.channels[index] == x.shape[-1]
            torch.testing.assert_close(x.permute(0, 3, 1, 2), feature)
            x = adapter.downsample(index, x)


@pytest.mark.parametrize('backbone', CLOSED.values(), ids=CLOSED)
def test_other_backbones_hand_out_their_maps(backbone):
    adapter = StagewiseAdapter(backbone)
    assert not adapter.stagewise
    adapter.eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        maps = adapter.embed(images)
        for index, feature in enumerate(adapter.backbone(images)):
            assert torch.equal(adapter.stage(index, maps).permute(0, 3, 1, 2), feature)
            assert adapter.channels[index] == feature.shape[1]


def test_probing_changes_nothing():
    torch.manual_seed(3)
    adapter = StagewiseAdapter(OPENED['resnet'])
    after = torch.rand(1)
    torch.manual_seed(3)
    backbone = MODELS.build(OPENED['resnet'])
    assert torch.equal(torch.rand(1), after)  # no random number was drawn
    for name, value in backbone.state_dict().items():  # nor a batch norm updated
        assert torch.equal(adapter.backbone.state_dict()[name], value), name
    assert adapter.backbone.training


@pytest.mark.parametrize(
    ('backbone', 'message'),
    [
        (dict(type='mmdet.ResNet', depth=18, base_channels=8, out_indices=(3,)), 'returns 1 maps'),
        (dict(type='BiSeNetV2'), 'returns 5 maps'),
    ],
    ids=['one', 'five'],
)
def test_backbones_without_three_or_four_maps(backbone, message):
    with pytest.raises(ConfigError, match=f'{message}.*Set its out_indices'):
        StagewiseAdapter(backbone)


def build_encoder(backbone: dict, fusion: str) -> CrossModalEncoder:
    stages = 3 if len(backbone.get('depths', '1234')) == 3 else 4
    sizes = dict(vocab_size=50, hidden_size=16, num_hidden_layers=stages, num_attention_heads=2,
                 intermediate_size=16)  # fmt: skip
    return CrossModalEncoder(
        visual=dict(type='StagewiseAdapter', backbone=backbone),
        text=dict(type='StagewiseBert', groups=(1,) * stages, config=sizes),
        fusion=dict(type=fusion),
    )


@pytest.mark.parametrize('fusion', ['LAVTFusion', 'MagNetFusion', 'CoupAlignFusion'])
@pytest.mark.parametrize('name', ['resnet', 'swin', 'three_of_swin'])
def test_encoder_with_any_backbone(name, fusion):
    """Language reaches every map; no parameter is left without a gradient."""
    backbone = (OPENED | CLOSED)[name]
    encoder = build_encoder(backbone, fusion).train()
    ids, mask = torch.randint(5, 50, (2, 6)), torch.ones(2, 6).long()
    features = encoder(torch.randn(2, 3, 64, 64), ids, mask)
    assert [f.shape[1] for f in features.visual] == list(encoder.feature_channels)
    assert [f.shape[2] for f in features.visual] == [16, 8, 4, 2][: len(features.visual)]
    total = sum((f * torch.randn_like(f)).sum() for f in features.visual)
    (total + (features.words * torch.randn_like(features.words)).sum()).backward()
    assert not [n for n, p in encoder.named_parameters() if p.requires_grad and p.grad is None]


def test_one_group_of_layers_per_stage():
    encoder = dict(type='CrossModalEncoder', **{
        'visual': dict(type='StagewiseAdapter', backbone=CLOSED['three_of_swin']),
        'text': dict(type='StagewiseBert', groups=(1, 1, 1, 1), config=dict(
            num_hidden_layers=4, hidden_size=8, num_attention_heads=1, intermediate_size=8)),
        'fusion': dict(type='LAVTFusion'),
    })  # fmt: skip
    with pytest.raises(ConfigError, match='has 3 stages, but text.groups=.* has 4 entries'):
        MODELS.build(encoder)
