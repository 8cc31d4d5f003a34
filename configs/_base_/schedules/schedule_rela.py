# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""ReLA's released recipe: AdamW 1e-5 at batch 48, two steps of 0.1 (docs/methods/rela.md).

The release counts iterations: 150,000 of 48 sentences, times 0.1 at 110,000 and 140,000 [C].
In epochs that is 150,000 x 48 / (sentences of the training split), and 73 % and 93 % of it.
"""

optim_wrapper = dict(
    type='OptimWrapper',  # tools/train.py --amp, as [C]
    optimizer=dict(type='AdamW', lr=1e-5, weight_decay=0.05),  # [C]
    clip_grad=dict(max_norm=0.01),  # of all parameters together [C]
    constructor='GroupedOptimWrapperConstructor',
    # [C] no decay of norms, position tables and embeddings; one learning rate
    paramwise_cfg=dict(parts=[dict(no_decay=('norm', 'position_table', 'embedding'))]),
)

# RefCOCO: 120,624 training sentences, 60 epochs; the steps at 44 and 56.
param_scheduler = [
    dict(type='MultiStepLR', milestones=[44, 56], gamma=0.1, by_epoch=True)  # [C]
]

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=60, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

auto_scale_lr = dict(enable=False, base_batch_size=48)  # [C]
