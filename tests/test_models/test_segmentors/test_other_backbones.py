# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Every head on a backbone of three stages, and on one that cannot be opened."""

import pytest
import torch
from mmengine.config import ConfigDict

from magnet_mm.errors import ConfigError

BACKBONES = dict(
    three_stages=dict(type='StagewiseResNet', depth=18, base_channels=8, stem_channels=8,
                      num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(0, 1, 2)),
    finished_maps=dict(type='StagewiseAdapter', backbone=dict(
        type='SwinTransformer', embed_dims=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2),
        window_size=4)),
)  # fmt: skip
LOSS = dict(type='CrossEntropyLoss')
HEADS = dict(
    lavt=dict(type='LAVTHead', norm_cfg=dict(type='BN'), loss_decode=LOSS),
    coupalign=dict(
        type='CoupAlignHead', embed_channels=16, norm_cfg=dict(type='BN'), loss_decode=LOSS,
        mask_generator=dict(num_queries=3, num_layers=1, num_heads=2, ffn_channels=16),
        alignment=dict(type='SentenceMaskAlignment'),
    ),
    magnet=dict(
        type='OneQueryMask2FormerHead', channels=32, num_heads=2, encoder_layers=1,
        encoder_ffn_channels=32, decoder_layers=3, decoder_ffn_channels=32,
        loss_mask=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True),
        loss_dice=dict(type='mmdet.DiceLoss', naive_dice=True, eps=1.0),
    ),
)  # fmt: skip


def config_of(backbone: str, head: str, text: dict | None = None) -> ConfigDict:
    stages = 3 if backbone == 'three_stages' else 4
    sizes = dict(vocab_size=200, hidden_size=16, num_hidden_layers=stages, num_attention_heads=2,
                 intermediate_size=16, max_position_embeddings=32)  # fmt: skip
    return ConfigDict(
        type='ReferringSegmentor',
        backbone=dict(
            type='CrossModalEncoder',
            visual=BACKBONES[backbone],
            text=text or dict(type='StagewiseBert', groups=(1,) * stages, config=sizes),
            fusion=dict(type='CoupAlignFusion'),
        ),
        decode_head=HEADS[head],
        auxiliary_head=[
            dict(type='MaskGroundingHead', mask_token_id=4, corruption=0.5, num_layers=1,
                 num_heads=2, ffn_channels=16),
            dict(type='AlignmentLoss'),
            dict(type='PixelContrastHead'),
        ],
    )  # fmt: skip


@pytest.mark.parametrize('head', HEADS)
@pytest.mark.parametrize('backbone', BACKBONES)
def test_heads_and_plugins(backbone, head, build_model, make_samples):
    model = build_model(config_of(backbone, head)).train()
    images, samples = make_samples(batch=2, size=64)
    losses = model.loss(images, samples)
    assert {'aux_0.loss_grounding', 'aux_1.loss_p2t', 'aux_2.loss_contrast'} <= set(losses)
    loss, _ = model.parse_losses(losses)
    loss.backward()
    assert torch.isfinite(loss)
    unused = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    # The self-attention of a single query has nothing to choose from, but is used all the same.
    assert not unused
    model.eval()
    with torch.no_grad():
        result = model.predict(images, samples)[0]
    assert result.pred_sem_seg.data.shape == (1, 64, 64)


def test_mask_grounding_needs_a_word_embedding_as_wide_as_the_words(build_model):
    electra = dict(
        type='StagewiseTextEncoder', model_type='electra', groups=(1, 1, 1),
        config=dict(vocab_size=200, embedding_size=8, hidden_size=16, num_hidden_layers=3,
                    num_attention_heads=2, intermediate_size=16),
    )  # fmt: skip
    config = config_of('three_stages', 'lavt', electra)
    with pytest.raises(ConfigError, match="width 8 is not the text encoder's 16"):
        build_model(config)
    config.auxiliary_head = config.auxiliary_head[1:]
    build_model(config)
