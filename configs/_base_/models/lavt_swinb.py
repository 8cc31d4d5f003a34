# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# LAVT (CVPR 2022), model only. Sources: [P] paper, [C] released code, else our choice.
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
            groups=(12, 0, 0, 0),  # all stages read the finished words [P]
            pretrained='{{$BERT_PATH:bert-base-uncased}}',
            # The released optimiser does not hold the embeddings and the last two layers [C].
            frozen=('embeddings', 'encoder.layer.10', 'encoder.layer.11'),
            config=dict(  # bert-base-uncased, written out so that building needs no file
                vocab_size=30522,
                hidden_size=768,
                num_hidden_layers=12,
                num_attention_heads=12,
                intermediate_size=3072,
            ),
        ),
        fusion=dict(type='PWAMFusion', num_heads=1),
    ),  # 1 head per stage [C]
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
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
