# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CARIS, Swin-B (window 7) + BERT-base, RefCOCO (unc): 2 GPUs x 8, 50 epochs, 448x448 [C].
#   tools/dist_train.sh configs/caris_swinb_refcoco.py 2 --amp
_base_ = [
    './_base_/models/caris_swinb.py',
    './_base_/datasets/refcoco.py',
    './_base_/schedules/schedule_caris.py',
    './_base_/default_runtime.py',
]

changed = dict(
    Resize=dict(scale=(448, 448)),  # [C]
    # A sentence of more than 20 tokens is cut with its [SEP] (docs/fidelity.md) [C].
    TokenizeExpression=dict(keep_sep=False),
)
train_pipeline = [dict(step, **changed.get(step['type'], {})) for step in _base_.train_pipeline]
test_pipeline = train_pipeline

train_dataloader = dict(
    batch_size=8,  # per GPU: 16 over 2 GPUs [C]
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
