# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Adam with polynomial decay at batch 1, as CMPC and LSCM are released (docs/methods/cmpc.md).

[C] 700,000 steps of 800,000 that the decay is laid out for. RefCOCO has 42,404 training references,
one step each in an epoch: 700,000 / 42,404 = 16.5, so 17 epochs. The released code takes every
sentence once per pass (5.8 passes); here one sentence per reference is drawn in every epoch.
"""

optim_wrapper = dict(
    type='OptimWrapper',
    # [C] Adam's own betas and eps. The L2 penalty stands in the loss (kernel_weight of the head).
    optimizer=dict(type='Adam', lr=2.5e-4),
)

param_scheduler = [
    dict(
        type='PolyLR',
        power=0.9,  # [C]
        eta_min=1e-5,  # [C]
        begin=0,
        end=800000,  # [C], steps
        by_epoch=False,
    )
]

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=17, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

auto_scale_lr = dict(enable=False, base_batch_size=1)  # [C]
