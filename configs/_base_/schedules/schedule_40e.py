# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""AdamW with polynomial decay over 40 epochs at batch 32.

[P] MagNet supplement sec. 3; [C] the released LAVT training code, where the supplement is silent.
"""

optim_wrapper = dict(
    type='OptimWrapper',  # [C] LAVT: full precision; tools/train.py --amp for mixed
    optimizer=dict(type='AdamW', lr=5e-5, weight_decay=0.01),  # [P]
    constructor='GroupedOptimWrapperConstructor',  # the same options in fewer groups
    paramwise_cfg=dict(
        # [C] LAVT: no weight decay for these of the image encoder and the fusion modules in it; all
        # else decays, the text encoder's and the decoder's norms too; one learning rate for all
        parts=[
            dict(
                within=('backbone.visual', 'backbone.fusion'),
                no_decay=('norm', 'position_table'),
            )
        ]
    ),
)

param_scheduler = [
    dict(
        type='PolyLR',  # [P] polynomial decay
        power=0.9,  # [C] LAVT; the supplement does not state it
        eta_min=0.0,  # [C] LAVT
        begin=0,  # to the end of the training: without `end` mmengine takes max_epochs
        by_epoch=True,
        convert_to_iter_based=True,  # [C] LAVT: decays at every iteration, no warm-up
    )
]

# Not the iteration-based loop: it replays all past batches when it resumes.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=40, val_interval=1)  # [P]; [C] LAVT
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

# [P] 32 samples over all GPUs, accumulated batches counted; another total is reported, and
# enable=True scales the learning rate for it
auto_scale_lr = dict(enable=False, base_batch_size=32)
