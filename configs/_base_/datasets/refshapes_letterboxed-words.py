# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""RefShapes as VLT reads RefCOCO: letterboxed to 96x96, words by the shipped vocabulary.

See docs/methods/vlt.md.
"""

_base_ = './refshapes.py'

train_pipeline = [
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
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=train_pipeline))
test_dataloader = val_dataloader
