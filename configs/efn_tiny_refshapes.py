# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# EFN, small enough to train on two CPU cores in minutes, on the generated RefShapes data.
# The same components as efn_wide-r101_refcoco.py; every size below is our choice.
_base_ = [
    './_base_/models/efn_wide-r101.py',
    './_base_/datasets/refshapes.py',
    './_base_/schedules/schedule_refshapes.py',
    './_base_/default_runtime.py',
]

words = dict(type='WordTokenizer', vocabulary='magnet_mm://refshapes', rule='efn', padding='end')
train_pipeline = [
    dict(step, tokenizer=words) if step['type'] == 'TokenizeExpression' else step
    for step in _base_.train_pipeline
]
test_pipeline = train_pipeline

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

fusion = dict(type='EFNFusion', channels=64, attention_channels=32)

model = dict(
    data_preprocessor=dict(size=(80, 80)),
    backbone=dict(
        visual=dict(depth=18, wide=False, base_channels=24, init_cfg=None),
        text=dict(vocabulary_size=53, channels=64),  # magnet_mm/datasets/vocabularies/refshapes
        fusion=[None, None, fusion, fusion, fusion],
    ),
    decode_head=dict(channels=8),
)
