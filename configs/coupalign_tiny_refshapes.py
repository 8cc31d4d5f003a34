# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CoupAlign, small enough to train on two CPU cores in minutes, on the generated RefShapes data.
# Encoders, data and schedule are those of magnet_tiny_refshapes.py. Every size is our choice.
_base_ = './magnet_tiny_refshapes.py'

model = dict(
    backbone=dict(fusion=dict(_delete_=True, type='CoupAlignFusion')),
    decode_head=dict(
        _delete_=True,
        type='CoupAlignHead',
        channels=64,
        embed_channels=64,
        mask_generator=dict(
            num_queries=8, num_layers=2, num_heads=4, ffn_channels=128, dropout=0.0
        ),
        alignment=dict(type='SentenceMaskAlignment'),
        sentence='cls',
        norm_cfg=dict(type='BN'),
        # Dice beside the cross-entropy: the objects are small (our choice, not the paper's).
        loss_decode=[
            dict(type='CrossEntropyLoss', loss_weight=1.0),
            dict(type='MultiClassDiceLoss', loss_weight=1.0),
        ],
    ),
    auxiliary_head=[
        dict(type='PixelContrastHead', channels=32, max_foreground=128, max_background=512)
    ],
)
