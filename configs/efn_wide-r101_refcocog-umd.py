# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# EFN as released on G-Ref (umd); else as for RefCOCO.
_base_ = './efn_wide-r101_refcoco.py'

train_pipeline = [
    dict(
        step, tokenizer=dict(step['tokenizer'], vocabulary='data/vocabularies/efn_refcocog-umd.txt')
    )
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
test_dataloader = dict(dataset=dict(benchmark, pipeline=test_pipeline))

# 1,600,000 sentences of 80,512 are 19.9 epochs, and the step is after 11.9 (schedule_efn.py).
train_cfg = dict(max_epochs=20)
param_scheduler = [dict(_base_.param_scheduler[0], milestones=[12])]
