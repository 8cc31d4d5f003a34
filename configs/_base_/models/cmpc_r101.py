# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CMPC (CVPR 2020), model only. Sources: [C] released code (docs/methods/cmpc.md), else our choice.
# GLOVE_VECTORS names a text file of word vectors; without it the embedding starts random.
model = dict(
    type='ReferringSegmentor',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[104.00698793, 116.66876762, 122.67891434],  # BGR [C]
        std=[1.0, 1.0, 1.0],
        bgr_to_rgb=False,  # [C]
        size=(320, 320),  # [C]
        pad_val=0,
        seg_pad_val=0,
    ),
    backbone=dict(
        type='CrossModalEncoder',
        visual=dict(
            type='StagewiseDeepLabResNet',
            depth=101,  # [C]
            frozen_stages=4,  # the backbone is in no optimiser [C]
            norm_eval=True,  # [C]
            norm_cfg=dict(type='BN', eps=1e-3, requires_grad=False),  # [C]
            # The released code starts from a DeepLab trained on Pascal VOC, which is not at hand;
            # ImageNet in Caffe style, for the same BGR pixels, is our choice.
            init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://detectron2/resnet101_caffe'),
        ),
        text=dict(
            type='WordLSTM',
            vocabulary_size=12112,  # [C]
            embed_channels=300,  # [C]
            channels=1000,  # [C]
            vectors=r"""{{$GLOVE_VECTORS:random}}""",
        ),
        fusion=None,  # the head fuses [C]
    ),
    decode_head=dict(type='CMPCHead', grid=(40, 40)),  # 320 / 8 [C]
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
