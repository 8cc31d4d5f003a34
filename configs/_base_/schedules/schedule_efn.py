# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""SGD as EFN's released code trains: one group of all parameters, one step [C]."""

optim_wrapper = dict(
    type='OptimWrapper',
    # At batch 16; all parameters alike, embeddings, norms and biases too [C].
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
)

# 100,000 iterations of 16 sentences [C], of 120,624 in RefCOCO's training split: 13.3 epochs of
# every sentence; the step at 60,000 is after 8.0. RefCOCO+ has 120,191, the same.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=13, val_interval=1)  # [C] every 5000
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

param_scheduler = [dict(type='MultiStepLR', milestones=[8], gamma=0.1, by_epoch=True)]  # [C]

auto_scale_lr = dict(enable=False, base_batch_size=16)  # [C]
