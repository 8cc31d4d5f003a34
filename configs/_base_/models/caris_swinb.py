# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CARIS (ACM MM 2023), model only. Sources: [C] released code (docs/methods/caris.md), else our
# choice.
_base_ = '../encoders/swinb_bertbase.py'

model = dict(
    data_preprocessor=dict(size=(448, 448)),  # [C]
    backbone=dict(
        visual=dict(
            pretrain_img_size=224,
            window_size=7,  # [C] the published weights; 12 was an option
            output_norms=True,  # [C]
            drop_path_rate=0.3,  # [C]
            init_cfg=dict(  # ImageNet-22k at 224 [C], in mmseg's layout
                _delete_=True,
                type='Pretrained',
                checkpoint='https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/swin/'
                'swin_base_patch4_window7_224_22k_20220317-4f79f7c0.pth',
            ),
        ),
        text=dict(
            _delete_=True,
            type='ImagePromptedBert',
            grids=(1, 2),  # five prompts: the whole image and its quarters [C]
            pretrained=r"""{{$BERT_PATH:bert-base-uncased}}""",
            config=dict(  # bert-base-uncased, written out so that building needs no file
                vocab_size=30522,
                hidden_size=768,
                num_hidden_layers=12,
                num_attention_heads=12,
                intermediate_size=3072,
            ),
        ),
        fusion=None,  # the decoder fuses [C]
    ),
    decode_head=dict(
        type='CARISHead',
        channels=256,  # [C]
        num_layers=6,  # [C]
        num_heads=8,  # [C]
        attention_channels=1024,  # [C]
        ffn_channels=1024,  # [C]
        num_prompts=5,  # [C]
        loss_decode=dict(
            type='SynchronizedCrossEntropyLoss',  # the mean runs over all GPUs: our choice
            class_weight=[0.9, 1.1],  # background, referred object; weighted mean [C]
            avg_non_ignore=True,  # torch's mean, as [C]; no label is ignored
            loss_weight=1.0,
        ),
    ),
)
