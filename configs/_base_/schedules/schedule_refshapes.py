# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A few epochs from scratch for the small models on RefShapes. Every value is our choice."""

optim_wrapper = dict(
    type='OptimWrapper',
    # Narrow networks from scratch want more than the 5e-5 of pretrained ones.
    optimizer=dict(type='AdamW', lr=1.5e-3, weight_decay=0.01, fused=True),
    clip_grad=dict(max_norm=1.0),
    constructor='GroupedOptimWrapperConstructor',  # the same options in fewer groups
    paramwise_cfg=dict(norm_decay_mult=0.0),
)

param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(
        type='PolyLR',
        power=0.9,
        eta_min=0.0,
        begin=0,  # to the end of the training: without `end` mmengine takes max_epochs
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=3, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

auto_scale_lr = dict(enable=False, base_batch_size=16)  # batch_size of refshapes.py, one process
