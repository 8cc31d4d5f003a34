# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Adam over 50 epochs at batch 128, as VLT's released code; [C] docs/methods/vlt.md."""

optim_wrapper = dict(
    type='OptimWrapper',  # full precision [C]; no clipping [C]
    # [C] L2 of 5e-4 * sum(w^2) on the convolutions' kernels: its gradient is 1e-3 * w, which is
    # what Adam (not AdamW) adds for a weight decay of 1e-3
    optimizer=dict(type='Adam', lr=1e-3, betas=(0.9, 0.999), eps=1e-7, weight_decay=1e-3),
    constructor='GroupedOptimWrapperConstructor',
    paramwise_cfg=dict(parts=[dict(decay_only=('convolution',))]),
)

# [C] epochs 1-39 1e-3, 40-44 1e-4, 45-49 1e-5, 50 1e-6; no warm-up
param_scheduler = [dict(type='MultiStepLR', milestones=[39, 44, 49], gamma=0.1, by_epoch=True)]

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=50, val_interval=1)  # [C]
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

auto_scale_lr = dict(enable=False, base_batch_size=128)  # [C]: the shipped configs
