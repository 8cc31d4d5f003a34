# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CMPC (CVPR 2020), DeepLab ResNet-101, RefCOCO (unc): one GPU, batch 1, 320x320 [C].
# Once before, the vocabulary, from the training sentences (docs/methods/cmpc.md):
#   python tools/dataset_tools/build_vocabulary.py configs/cmpc_r101_refcoco.py
_base_ = [
    './_base_/models/cmpc_r101.py',
    './_base_/datasets/refcoco.py',
    './_base_/schedules/schedule_cmpc.py',
    './_base_/default_runtime.py',
]

vocabulary = 'data/vocabularies/cmpc_refcoco.txt'
train_pipeline = [
    dict(type='LoadReferringImage'),
    dict(type='LoadReferringMask'),
    # the whole image in the middle of black; what the resized mask touches is foreground [C]
    dict(type='Letterbox', size=(320, 320), soft_mask=True),
    # 20 words, padded in front [C]
    dict(
        type='TokenizeExpression',
        tokenizer=dict(type='WordTokenizer', vocabulary=vocabulary, rule='cmpc', padding='front'),
        max_tokens=20,
    ),
    dict(type='PackReferringInputs'),
]
test_pipeline = train_pipeline

train_dataloader = dict(batch_size=1, dataset=dict(pipeline=train_pipeline))  # [C]
val_dataloader = dict(batch_size=1, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

model = dict(backbone=dict(text=dict(vocabulary=vocabulary)))
