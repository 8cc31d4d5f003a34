# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CoupAlign (NeurIPS 2022), model only. [P] paper or supplement; everything else is our choice: no
# code was released and the formulas of the paper were not readable (docs/methods/coupalign.md).
_base_ = ['../encoders/swinb_bertbase.py', '../plugins/pixel_contrast.py']

model = dict(
    # Word-pixel alignment at every stage of both encoders, both ways [P].
    backbone=dict(fusion=dict(type='CoupAlignFusion', num_heads=1)),
    decode_head=dict(
        type='CoupAlignHead',
        mask_generator=dict(
            num_queries=100,  # N [P supp. Tab. 3]
            num_layers=6,  # this and the next three as DETR
            num_heads=8,
            ffn_channels=2048,
            dropout=0.1,
        ),
        # Reading A. Reading B is SentencePixelAggregation.
        alignment=dict(type='SentenceMaskAlignment'),
        embed_channels=256,
        sentence='cls',
        norm_cfg=dict(type='SyncBN', requires_grad=True),  # as LAVT
        # On [0, z], which makes it the binary cross-entropy of z; no class weights.
        loss_decode=dict(type='CrossEntropyLoss', loss_weight=1.0),
    ),
    # Contrast of foreground and background pixels [P].
    auxiliary_head=[_base_.pixel_contrast_head],
)
