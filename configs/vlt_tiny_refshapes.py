# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# VLT, small enough to train on two CPU cores in minutes, on the generated RefShapes data. The
# parts of vlt_darknet53_refcoco.py but for the image encoder, whose widths are fixed; every size
# is our choice.
_base_ = [
    './_base_/models/vlt_darknet53.py',
    './_base_/datasets/refshapes.py',
    './_base_/schedules/schedule_refshapes.py',
    './_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size=(96, 96)),  # strides 8, 16 and 32 fit
    backbone=dict(
        visual=dict(
            _delete_=True,
            type='StagewiseResNet',
            depth=18,
            base_channels=24,
            stem_channels=24,
            norm_cfg=dict(type='BN'),  # one device is enough
        ),
        text=dict(
            vocabulary_size=54,  # magnet_mm/datasets/vocabularies/refshapes
            channels=64,
            dropout=0.0,
            word_vectors=dict(channels=64, vectors=None, vocabulary=None),
        ),
    ),
    decode_head=dict(
        grid=(6, 6),  # 96 / 16
        channels=48,
        num_queries=8,
        transformer=dict(num_heads=4, dropout=0.0),
    ),
)

pipeline = [
    dict(type='LoadReferringImage'),
    dict(type='LoadReferringMask'),
    dict(
        type='Letterbox',
        size=(96, 96),
        fill=127.5,
        interpolation='bicubic',
        rounding='floor',
        soft_mask=True,
    ),
    dict(
        type='TokenizeExpression',
        tokenizer=dict(type='WordTokenizer', vocabulary='magnet_mm://refshapes', rule='vlt'),
        max_tokens=15,
    ),
    dict(type='PackReferringInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader
