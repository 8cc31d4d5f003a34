# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# EFN as released on RefCOCO+ (unc); everything else, the schedule too, as for RefCOCO.
_base_ = './efn_wide-r101_refcoco.py'

train_pipeline = [
    dict(
        step, tokenizer=dict(step['tokenizer'], vocabulary='data/vocabularies/efn_refcocoplus.txt')
    )
    if step['type'] == 'TokenizeExpression'
    else step
    for step in _base_.train_pipeline
]
test_pipeline = train_pipeline

test_splits = ['val', 'testA', 'testB']
benchmark = dict(
    ann_file='refcoco+/instances.json',
    refs_file='refcoco+/refs(unc).p',
    dataset_name='refcocoplus',
)
train_dataloader = dict(dataset=dict(benchmark, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(benchmark, pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(benchmark, pipeline=test_pipeline))
