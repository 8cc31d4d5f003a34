# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# LAVT, Swin-B + BERT-base, G-Ref (google): 4 GPUs x 8, 40 epochs, 480x480 [C].
#   tools/dist_train.sh configs/lavt_swinb_refcocog-google.py 4
_base_ = [
    './_base_/models/lavt_swinb.py',
    './_base_/datasets/refcocog-google.py',
    './_base_/schedules/schedule_40e.py',  # AdamW 5e-5, weight decay 0.01, poly 0.9 [C]
    './_base_/default_runtime.py',
]

# A sentence of more than 20 tokens is cut with its [SEP] (docs/fidelity.md) [C].
train_pipeline = [
    dict(step, keep_sep=False) if step['type'] == 'TokenizeExpression' else step
    for step in _base_.train_pipeline
]
test_pipeline = train_pipeline

train_dataloader = dict(
    batch_size=8,  # per GPU: 32 over 4 GPUs [C]
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
