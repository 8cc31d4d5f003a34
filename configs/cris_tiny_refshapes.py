# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CRIS, small enough to train on two CPU cores in minutes, on the generated RefShapes data. The same
# components as cris_r101_refcoco.py; every size, the tokenizer and the threshold are our choice.
_base_ = [
    './_base_/models/cris_r50.py',
    './_base_/datasets/refshapes.py',
    './_base_/schedules/schedule_refshapes.py',
    './_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size=(96, 96)),  # the neck wants multiples of 32
    backbone=dict(
        visual=dict(width=16, num_blocks=(2, 2, 2, 2), embed_channels=64, pretrained=None),
        text=dict(
            channels=64,
            embed_channels=64,
            num_layers=4,
            num_heads=4,
            vocabulary_size=54,  # magnet_mm/datasets/vocabularies/refshapes
            max_tokens=20,
            pretrained=None,
        ),
    ),
    decode_head=dict(
        num_layers=2,
        num_heads=4,
        ffn_channels=128,
        dropout=0.0,
        norm_cfg=dict(_delete_=True, type='BN'),  # one device is enough
        threshold=0.5,
    ),
)

pipeline = [
    dict(type='LoadReferringImage'),
    dict(type='LoadReferringMask'),
    dict(type='Resize', scale=(96, 96), keep_ratio=False, backend='pillow'),
    dict(type='TokenizeExpression', tokenizer='magnet_mm://refshapes', max_tokens=20),
    dict(type='PackReferringInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader
