# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# MagNet, small enough to train on two CPU cores in minutes, on the generated RefShapes data.
# The same components as magnet_swinb_refcoco.py but for the mask encoder and the backbone: from
# scratch, a small ResNet learns shapes faster than a Swin Transformer. Every size is our choice.
_base_ = [
    './_base_/models/magnet_swinb.py',
    './_base_/visual/resnet18_tiny.py',
    './_base_/datasets/refshapes.py',
    './_base_/schedules/schedule_refshapes.py',
    './_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size=(80, 80)),
    backbone=dict(
        visual=_base_.resnet18_tiny,
        text=dict(
            groups=(1, 1, 1, 1),
            pretrained=None,
            config=dict(
                vocab_size=54,  # magnet_mm/datasets/vocabularies/refshapes
                hidden_size=64,
                num_hidden_layers=4,
                num_attention_heads=4,
                intermediate_size=128,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            ),
        ),
        fusion=dict(pool_sizes=(1, 3)),  # the last maps are 5x5 and 3x3
    ),
    decode_head=dict(
        channels=64,
        num_heads=1,
        encoder_layers=2,
        encoder_levels=3,  # a convolution draws the finest level (docs/ablations.md)
        encoder_ffn_channels=128,
        decoder_layers=1,  # more of them change the masks little here
        decoder_ffn_channels=128,
    ),
    auxiliary_head=[
        dict(
            type='MaskGroundingHead',
            mask_token_id=4,  # [MASK] of the shipped vocabulary
            corruption=0.05,  # nearly every word of these short sentences decides
            mask_encoder=dict(type='PooledMaskEncoder'),
            num_layers=2,
            num_heads=4,
            ffn_channels=128,
        ),
        # What helps most here (docs/ablations.md)
        dict(type='AlignmentLoss', max_foreground=128, max_background=512, loss_weight=2.0),
    ],
)

train_cfg = dict(max_epochs=5)  # three are not enough (docs/ablations.md)
param_scheduler = [dict(_base_.param_scheduler[0], end=50), _base_.param_scheduler[1]]  # warm-up
