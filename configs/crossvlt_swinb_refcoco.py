# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CrossVLT, Swin-B, RefCOCO (unc): 2 GPUs x 6, 40 epochs, 480x480 [C].
#   tools/dist_train.sh configs/crossvlt_swinb_refcoco.py 2
_base_ = [
    './_base_/models/crossvlt_swinb.py',
    './_base_/datasets/refcoco.py',
    './_base_/schedules/schedule_40e.py',  # AdamW, weight decay 0.01, poly 0.9, 40 epochs [C]
    './_base_/default_runtime.py',
]

train_pipeline = [
    dict(step, max_tokens=21) if step['type'] == 'TokenizeExpression' else step  # [C]
    for step in _base_.train_pipeline
]
test_pipeline = train_pipeline

train_dataloader = dict(batch_size=6, dataset=dict(pipeline=train_pipeline))  # per GPU, of 2 [C]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

optim_wrapper = dict(
    optimizer=dict(lr=3e-5),  # [C]
    paramwise_cfg=dict(
        parts=[
            # All of the language decays, its norms too [C]; this is the part inside the fusion.
            dict(within=tuple(f'backbone.fusion.{stage}.word_update' for stage in range(3))),
            dict(
                within=('backbone.visual', 'backbone.fusion'), no_decay=('norm', 'position_table')
            ),
        ]
    ),
)
auto_scale_lr = dict(base_batch_size=12)  # [C]
