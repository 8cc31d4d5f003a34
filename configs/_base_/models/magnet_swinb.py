# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# MagNet (CVPR 2024), model only. Sources: [P] paper or supplement, [C] released code, [S]
# secondary source, else our choice.
# BERT is found by hub name or in one local directory that serves tokenizer and encoder alike:
# export BERT_PATH=/path/to/bert-base-uncased
model = dict(
    type='ReferringSegmentor',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],  # ImageNet [C]
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        size=(480, 480),  # the input is resized to this, nothing is padded [P supp. sec. 3]
        pad_val=0,
        seg_pad_val=0,
    ),
    backbone=dict(
        type='CrossModalEncoder',
        visual=dict(
            type='StagewiseSwin',
            pretrain_img_size=384,
            embed_dims=128,  # Swin-B [P]
            depths=[2, 2, 18, 2],
            num_heads=[4, 8, 16, 32],
            window_size=12,  # [C]
            drop_path_rate=0.3,  # [C]
            init_cfg=dict(  # ImageNet-22k weights [P], in mmseg's layout
                type='Pretrained',
                checkpoint='https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/swin/'
                'swin_base_patch4_window12_384_22k_20220317-e5c09f74.pth',
            ),
        ),
        text=dict(
            type='StagewiseBert',
            groups=(3, 3, 3, 3),  # fusion after layers 3, 6, 9, 12 [C]
            pretrained='{{$BERT_PATH:bert-base-uncased}}',
            config=dict(  # bert-base-uncased, written out so that building needs no file
                vocab_size=30522,
                hidden_size=768,
                num_hidden_layers=12,
                num_attention_heads=12,
                intermediate_size=3072,
            ),
        ),
        fusion=dict(
            type='MagNetFusion',
            pool_sizes=(1, 2, 3, 6),  # CAM [P supp. sec. 3]
            text_mask='binary',
        ),
    ),  # 'additive' repeats the released network (docs/fidelity.md)
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
    auxiliary_head=[
        dict(
            type='MaskGroundingHead',
            mask_token_id=103,  # [MASK] of bert-base-uncased
            corruption=0.15,  # [P supp. sec. 3]
            masked_share=0.9,  # the author points at ovr-cnn's 0.9 / 0 / 0.1 [S]
            num_layers=8,  # [P supp. sec. 3]
            num_heads=12,  # our choice: BERT-base
            ffn_channels=3072,  # our choice: BERT-base
            loss_weight=1.0,
        ),  # our choice
        dict(
            type='AlignmentHead',
            pixel_temperature=0.1,  # tau_1 [P supp. sec. 3]
            text_temperature=0.3,  # tau_2 [P supp. sec. 3]
            max_foreground=1024,  # our choice
            max_background=4096,  # our choice
            loss_weight=1.0,
        ),  # our choice
    ],
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
