# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CARIS's released recipe: AdamW 1e-4, encoders at a tenth, 50 epochs at batch 16 [C].

docs/methods/caris.md. The release warms up over 1,500 iterations and multiplies by the polynomial
only behind them; here the polynomial runs from the start, which is 1 % less at most (RefCOCO:
42,404 references / 16 = 2,650 iterations an epoch; (1 - 1,500 / 132,500) ** 0.9 = 0.99).
"""

optim_wrapper = dict(
    type='OptimWrapper',  # tools/train.py --amp, as [C]
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.01),  # [C]
    clip_grad=dict(max_norm=1.0),  # of all parameters together [C]
    constructor='GroupedOptimWrapperConstructor',
    paramwise_cfg=dict(
        parts=[  # the first that holds a parameter decides; all [C]
            dict(within='backbone.text.prompts', no_decay=('layer_norm', 'embedding')),
            dict(within='backbone.text', lr_mult=0.1, no_decay=('layer_norm', 'embedding')),
            dict(within='backbone.visual', lr_mult=0.1, no_decay=('norm', 'position_table')),
            dict(within='decode_head.visual_prompts', no_decay=('embedding',)),
            # group norms, gains, level codes and all biases do decay
            dict(no_decay=('layer_norm',)),
        ]
    ),
)

param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, begin=0, end=1500, by_epoch=False),  # [C]
    dict(
        type='PolyLR',
        power=0.9,  # [C]
        eta_min=0.0,  # [C]
        begin=0,  # to the end of the training: without `end` mmengine takes max_epochs
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]

train_cfg = dict(
    type='EpochBasedTrainLoop',
    max_epochs=50,  # [C]
    val_interval=10,  # and every one of the last 16 [C]
    dynamic_intervals=[(35, 1)],
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

auto_scale_lr = dict(enable=False, base_batch_size=16)  # [C]
