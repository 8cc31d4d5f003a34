# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CRIS's released recipe: Adam, 1e-4 for the new parts and 1e-5 for CLIP, 50 epochs at batch 64.

See docs/methods/cris.md for the released first epoch, in which CLIP trains at 1e-4 as well.
"""

optim_wrapper = dict(
    type='OptimWrapper',  # tools/train.py --amp, as [C]
    optimizer=dict(type='Adam', lr=1e-4, weight_decay=0.0),  # [C]
    constructor='GroupedOptimWrapperConstructor',
    paramwise_cfg=dict(
        custom_keys={
            'positional_embedding': dict(lr_mult=1.0),  # CLIP's, with the new parts [C]
            'backbone': dict(lr_mult=0.1),  # [C]
        }
    ),
)

param_scheduler = [dict(type='MultiStepLR', milestones=[35], gamma=0.1, by_epoch=True)]  # [C]

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=50, val_interval=1)  # [C]
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

auto_scale_lr = dict(enable=False, base_batch_size=64)  # [C]
