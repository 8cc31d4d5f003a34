# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# What the Swin-B models share: preprocessing, image encoder, text encoder. [P] LAVT and MagNet
# papers, [C] their released code.
# BERT is found by hub name or in one local directory that serves tokenizer and encoder alike:
# export BERT_PATH=/path/to/bert-base-uncased
model = dict(
    type='ReferringSegmentor',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],  # ImageNet [C]
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        size=(480, 480),  # the input is resized to this, nothing is padded [P]
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
            groups=(3, 3, 3, 3),  # fusion after layers 3, 6, 9, 12 [C MagNet]
            pretrained=r"""{{$BERT_PATH:bert-base-uncased}}""",
            config=dict(  # bert-base-uncased, written out so that building needs no file
                vocab_size=30522,
                hidden_size=768,
                num_hidden_layers=12,
                num_attention_heads=12,
                intermediate_size=3072,
            ),
        ),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
