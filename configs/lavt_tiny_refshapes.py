# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# LAVT, small enough to train on two CPU cores in minutes, on the generated RefShapes data.
# The same components as lavt_swinb_refcoco.py; every size below is our choice.
_base_ = [
    './_base_/models/lavt_swinb.py',
    './_base_/datasets/refshapes.py',
    './_base_/schedules/schedule_40e.py',
    './_base_/default_runtime.py',
]

max_epochs = 10
learning_rate = 1e-3  # from scratch, not from pretrained weights

model = dict(
    data_preprocessor=dict(size=(80, 80)),
    backbone=dict(
        visual=dict(
            embed_dims=32,
            depths=[1, 1, 2, 1],
            num_heads=[2, 4, 8, 16],
            window_size=4,
            drop_path_rate=0.05,
            init_cfg=None,
        ),
        text=dict(
            groups=(4, 0, 0, 0),
            pretrained=None,
            frozen=(),  # from scratch: everything is trained
            config=dict(
                vocab_size=55,  # magnet_mm/datasets/vocabularies/refshapes
                hidden_size=64,
                num_hidden_layers=4,
                num_attention_heads=4,
                intermediate_size=128,
            ),
        ),
    ),
    decode_head=dict(channels=64, norm_cfg=dict(_delete_=True, type='BN', requires_grad=True)),
)  # one device is enough

optim_wrapper = dict(
    optimizer=dict(lr=learning_rate, weight_decay=0.01), clip_grad=dict(max_norm=1.0)
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(
        type='PolyLR',
        power=0.9,
        eta_min=0.0,
        begin=0,
        end=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=2)
