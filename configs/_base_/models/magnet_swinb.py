# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# MagNet (CVPR 2024), model only. Sources: [P] paper or supplement, [C] released code, [S]
# secondary source, else our choice.
_base_ = [
    '../encoders/swinb_bertbase.py',
    '../plugins/mask_grounding.py',
    '../plugins/alignment_loss.py',
]

model = dict(
    backbone=dict(
        fusion=dict(
            type='MagNetFusion',
            pool_sizes=(1, 2, 3, 6),  # CAM [P supp. sec. 3]
            text_mask='binary',  # 'additive' repeats the released network (docs/methods/magnet.md)
        ),
    ),
    decode_head=dict(
        type='OneQueryMask2FormerHead',
        channels=256,  # [C]
        num_heads=8,  # [C]
        encoder_layers=4,  # [C]
        encoder_ffn_channels=1024,  # [C]
        decoder_layers=9,  # [P supp. sec. 3]
        decoder_ffn_channels=2048,  # [C]
        # Weights 5 and 5, all 10 outputs: the decoder base that MagNet credits [C]; no class loss.
        loss_mask=dict(
            type='mmdet.CrossEntropyLoss', use_sigmoid=True, reduction='mean', loss_weight=5.0
        ),
        loss_dice=dict(
            type='mmdet.DiceLoss',
            use_sigmoid=True,
            activate=True,
            reduction='mean',
            naive_dice=True,
            eps=1.0,
            loss_weight=5.0,
        ),
    ),
    auxiliary_head=[_base_.mask_grounding_head, _base_.alignment_loss],
)
