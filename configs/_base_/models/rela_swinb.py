# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# ReLA (GRES, CVPR 2023), model only. Sources: [P] paper, [C] released code (docs/methods/rela.md),
# else our choice.
_base_ = '../encoders/swinb_bertbase.py'

model = dict(
    backbone=dict(
        text=dict(
            groups=(12, 0, 0, 0),  # finished words [C]
            # The released optimiser does not hold the embeddings and the last two layers [C].
            frozen=('embeddings', 'encoder.layer.10', 'encoder.layer.11'),
        ),
        fusion=dict(type='LAVTFusion', num_heads=1),  # LAVT's [C]
    ),
    decode_head=dict(
        type='ReLAHead',
        grid=10,  # 100 regions [C]
        channels=256,  # [C]
        num_heads=8,  # [C]
        encoder_layers=6,  # [C]
        decoder_layers=9,  # [C]
        ffn_channels=(1024, 2048),  # encoder, decoder [C]
        loss=dict(
            type='SynchronizedCrossEntropyLoss',  # the mean runs over all GPUs: our choice
            class_weight=[0.9, 1.1],  # [C]
            avg_non_ignore=True,
            loss_weight=1.0,
        ),
        loss_weights=(5.0, 0.5, 0.5),  # masks, minimap, no target [C]
    ),
)
