# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# VLT (ICCV 2021) as released, model only. Sources: [C] released code (docs/methods/vlt.md), else
# our choice.
model = dict(
    type='ReferringSegmentor',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[0, 0, 0],  # RGB in 0..1 [C]
        std=[255, 255, 255],
        bgr_to_rgb=True,
        size=(416, 416),  # the input is letterboxed to this [C]
        pad_val=0,
        seg_pad_val=0,
    ),
    backbone=dict(
        type='CrossModalEncoder',
        visual=dict(
            type='YoloDarknet',
            depth=53,
            # Darknet-53 keeps its weights; the six convolutions behind it are trained, since
            # ImageNet's weights do not hold them. [C]: 4 of a detector's six are frozen too, see
            # _base_/visual/yolo-darknet53-coco.py
            frozen_head_convs=0,
            norm_cfg=dict(type='BN', eps=1e-3, momentum=0.01),  # Keras [C]
            norm_eval=False,  # YoloDarknet itself keeps the frozen ones as they are
            init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://darknet53'),
        ),
        text=dict(
            type='VLTText',
            vocabulary_size=15000,
            channels=1024,  # [C]
            dropout=0.1,  # [C]
            word_vectors=dict(
                channels=300,  # [C]
                vectors='{{$SPACY_VECTORS:random}}',  # en_vectors_web_lg as a text file [C]
                vocabulary='{{$VLT_VOCABULARY:data/vocabularies/vlt_refcoco.txt}}',
                zero_ids=(0, 3),  # <pad> and <unk> [C]
                trainable=True,  # random vectors have to be; spaCy's are not trained [C]
            ),
        ),
    ),
    decode_head=dict(
        type='VLTHead',
        grid=(26, 26),  # 416 / 16 [C]
        channels=256,  # [C]
        num_queries=16,  # [C]
        transformer=dict(num_layers=2, num_heads=8, dropout=0.1),  # [C]
        threshold=0.35,  # [C]
        norm_cfg=dict(type='BN', eps=1e-3, momentum=0.01),  # Keras [C]
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
