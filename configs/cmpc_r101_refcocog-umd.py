# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CMPC on G-Ref (umd); everything else as for RefCOCO.
_base_ = './cmpc_r101_refcoco.py'

vocabulary = 'data/vocabularies/cmpc_refcocog-umd.txt'
train_pipeline = [
    dict(step, tokenizer=dict(step['tokenizer'], vocabulary=vocabulary))
    if step['type'] == 'TokenizeExpression'
    else step
    for step in _base_.train_pipeline
]
test_pipeline = train_pipeline

test_splits = ['val', 'test']
benchmark = dict(
    ann_file='refcocog/instances.json',
    refs_file='refcocog/refs(umd).p',
    dataset_name='refcocog-umd',
)
train_dataloader = dict(dataset=dict(benchmark, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(benchmark, pipeline=test_pipeline))
test_dataloader = val_dataloader

model = dict(backbone=dict(text=dict(vocabulary=vocabulary)))
