# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""SGD as EFN's released code trains: one group of all parameters, one step [C]."""

optim_wrapper = dict(
    type='OptimWrapper',
    # At batch 16; all parameters alike, embeddings, norms and biases too [C].
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
)

# 100,000 iterations of 16 sentences [C] are 1,600,000 sentences. An epoch here is one sentence of
# each of RefCOCO's 42,404 training references (42,278 of RefCOCO+, 42,226 of G-Ref umd):
# 1,600,000 / 42,404 = 37.7 epochs, and the step at 60,000 is after 22.6.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=38, val_interval=2)  # [C] every 5000
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

param_scheduler = [dict(type='MultiStepLR', milestones=[23], gamma=0.1, by_epoch=True)]  # [C]

auto_scale_lr = dict(enable=False, base_batch_size=16)  # [C]
