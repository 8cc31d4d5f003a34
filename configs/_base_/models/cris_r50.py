# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CRIS (CVPR 2022), model only. Sources: [P] paper, [C] released code (docs/methods/cris.md), else
# our choice. CLIP's weights: data/clip/rn50.pth, or export CLIP_PATH=/path/to/rn50.pth (how to make
# it: docs/methods/cris.md).
clip_path = '{{$CLIP_PATH:data/clip/rn50.pth}}'

model = dict(
    type='ReferringSegmentor',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[122.7709, 116.7460, 104.0937],  # CLIP's, times 255 [C]
        std=[68.5005, 66.6322, 70.3232],
        bgr_to_rgb=True,
        size=(416, 416),  # letterboxed to this before [C]
        pad_val=0,
        seg_pad_val=0,
    ),
    backbone=dict(
        type='CrossModalEncoder',
        visual=dict(
            type='StagewiseClipResNet', depth=50, embed_channels=1024, pretrained=clip_path
        ),
        text=dict(type='ClipTextEncoder', embed_channels=1024, pretrained=clip_path),
        fusion=None,  # the head fuses [P]
    ),
    decode_head=dict(
        type='CRISHead',
        num_layers=3,  # [C]
        num_heads=8,  # [C]
        ffn_channels=2048,  # [C]
        dropout=0.1,  # [C]
        norm_cfg=dict(type='SyncBN', requires_grad=True),  # [C]
        threshold=0.35,  # [C]
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
