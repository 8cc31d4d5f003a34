# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""G-Ref (umd) as VLT reads it: sentences of 20 words, else as `refcoco_letterboxed-words.py`."""

_base_ = './refcoco_letterboxed-words.py'

test_splits = ['val', 'test']
benchmark = dict(
    ann_file='refcocog/instances.json',
    refs_file='refcocog/refs(umd).p',
    dataset_name='refcocog-umd',
)

# The first 20 words of G-Ref [C]
train_pipeline = [
    dict(
        step,
        tokenizer=dict(
            step['tokenizer'],
            vocabulary='{{$VLT_VOCABULARY:data/vocabularies/vlt_refcocog-umd.txt}}',
        ),
        max_tokens=20,
    )
    if step['type'] == 'TokenizeExpression'
    else step
    for step in _base_.train_pipeline
]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline, **benchmark))
val_dataloader = dict(dataset=dict(pipeline=train_pipeline, **benchmark))
test_dataloader = val_dataloader
