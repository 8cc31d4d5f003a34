# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CMPC, small enough to train on two CPU cores in minutes, on the generated RefShapes data.
# The same components as cmpc_r101_refcoco.py; every size below is our choice.
_base_ = [
    './_base_/models/cmpc_r101.py',
    './_base_/datasets/refshapes.py',
    './_base_/schedules/schedule_refshapes.py',
    './_base_/default_runtime.py',
]

words = dict(type='WordTokenizer', vocabulary='magnet_mm://refshapes', padding='front')
train_pipeline = [
    dict(step, tokenizer=words) if step['type'] == 'TokenizeExpression' else step
    for step in _base_.train_pipeline
]
test_pipeline = train_pipeline

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

model = dict(
    data_preprocessor=dict(size=(80, 80)),
    backbone=dict(
        visual=dict(
            depth=18,
            base_channels=24,
            frozen_stages=-1,  # from scratch: everything is trained
            norm_eval=False,
            norm_cfg=dict(type='BN', eps=1e-5, requires_grad=True),
            init_cfg=None,
        ),
        text=dict(vocabulary_size=53, embed_channels=64, channels=128),
    ),
    decode_head=dict(
        grid=(10, 10),
        channels=128,
        fused_channels=64,
        type_channels=64,
        # A sum over 6400 pixels is steep beside the penalty and clipping of the small schedule.
        final_weight=0.7 / 6400,
        level_weight=0.1 / 6400,
        kernel_weight=0.0,
    ),
)
