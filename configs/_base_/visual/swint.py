# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# Swin-T (ImageNet-1k, window 7) in place of another image encoder. In a leaf:
#   _base_ = ['./rela_swinb_refcoco.py', './_base_/visual/swint.py']
#   model = _base_.swint
swint = dict(
    backbone=dict(
        visual=dict(
            _delete_=True,
            type='StagewiseSwin',
            pretrain_img_size=224,
            embed_dims=96,  # Swin-T
            depths=[2, 2, 6, 2],
            num_heads=[3, 6, 12, 24],
            window_size=7,
            drop_path_rate=0.3,  # as Swin-B's [C ReLA]
            init_cfg=dict(
                type='Pretrained',
                checkpoint='https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/swin/'
                'swin_tiny_patch4_window7_224_20220317-1cdeb081.pth',
            ),
        )
    )
)
