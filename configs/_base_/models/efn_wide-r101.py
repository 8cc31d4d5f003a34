# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# EFN (CVPR 2021) as released, model only. Sources: [C] released code (docs/methods/efn.md), else
# our choice.
model = dict(
    type='ReferringSegmentor',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[0, 0, 0],  # raw BGR values 0..255: the network's own batch norm normalises them [C]
        std=[1, 1, 1],
        bgr_to_rgb=False,
        size=(320, 320),  # [C]
        pad_val=0,
        seg_pad_val=0,
    ),
    backbone=dict(
        type='CrossModalEncoder',
        visual=dict(
            type='StemStageResNet',
            depth=101,
            wide=True,  # torchvision's wide_resnet101_2 [C]
            init_cfg=dict(  # torchvision's wide_resnet101_2, ImageNet [C]
                type='Pretrained',
                checkpoint='https://download.pytorch.org/models/wide_resnet101_2-32ee1156.pth',
            ),
        ),
        text=dict(
            type='EFNTextEncoder',
            vocabulary_size=12112,  # [C]
            channels=512,  # [C]
        ),
        # Stages 3, 4 and 5 are fused; stem and first residual stage see no language [C].
        fusion=[
            None,
            None,
            dict(type='EFNFusion', channels=512, attention_channels=256),  # [C]
            dict(type='EFNFusion', channels=512, attention_channels=256),
            dict(type='EFNFusion', channels=512, attention_channels=256),
        ],
    ),
    decode_head=dict(type='EFNHead', channels=32),  # [C]
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
