# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""AdamW with polynomial decay over 40 epochs at batch 32.

[P] MagNet supplement sec. 3; [C] the released LAVT training code, where the supplement is silent.
"""

max_epochs = 40  # [P]

optim_wrapper = dict(
    type='OptimWrapper',  # [C] LAVT: full precision; tools/train.py --amp for mixed
    optimizer=dict(type='AdamW', lr=5e-5, weight_decay=0.01),  # [P]
    constructor='GroupedOptimWrapperConstructor',  # the same options in fewer groups
    paramwise_cfg=dict(
        custom_keys={
            # [C] LAVT: no weight decay for these; one learning rate for all parameters
            'norm': dict(decay_mult=0.0),
            'absolute_pos_embed': dict(decay_mult=0.0),
            'relative_position_bias_table': dict(decay_mult=0.0),
        }
    ),
)

param_scheduler = [
    dict(
        type='PolyLR',  # [P] polynomial decay
        power=0.9,  # [C] LAVT; the supplement does not state it
        eta_min=0.0,  # [C] LAVT
        begin=0,
        end=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True,  # [C] LAVT: decays at every iteration, no warm-up
    )
]

# Not the iteration-based loop: it replays all past batches when it resumes.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=1)  # [C] LAVT
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

# [P] 32 samples over all GPUs; enable=True scales the learning rate for another total
auto_scale_lr = dict(enable=False, base_batch_size=32)
