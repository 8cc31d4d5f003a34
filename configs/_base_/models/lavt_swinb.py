# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# LAVT (CVPR 2022), model only. Sources: [P] paper, [C] released code, else our choice.
_base_ = '../encoders/swinb_bertbase.py'

model = dict(
    backbone=dict(
        text=dict(
            groups=(12, 0, 0, 0),  # all stages read the finished words [P]
            # The released optimiser does not hold the embeddings and the last two layers [C].
            frozen=('embeddings', 'encoder.layer.10', 'encoder.layer.11'),
        ),
        fusion=dict(type='LAVTFusion', num_heads=1),  # 1 head per stage [C]
    ),
    decode_head=dict(
        type='LAVTHead',  # width: half the channels of the last stage, 512 [C]
        norm_cfg=dict(type='SyncBN', requires_grad=True),  # [C]
        loss_decode=dict(
            type='SynchronizedCrossEntropyLoss',  # the mean runs over all GPUs: our choice
            class_weight=[0.9, 1.1],  # background, referred object; weighted mean [C]
            avg_non_ignore=True,  # torch's mean, as [C]; no label is ignored
            loss_weight=1.0,
        ),
    ),  # [C]
)
