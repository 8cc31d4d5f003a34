# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# ResNet-101 (V1c, ImageNet) in place of another image encoder. In a leaf:
#   _base_ = ['./lavt_swinb_refcoco.py', './_base_/visual/resnet101.py']
#   model = _base_.resnet101
resnet101 = dict(
    backbone=dict(
        visual=dict(
            _delete_=True,
            type='StagewiseResNet',
            depth=101,
            norm_cfg=dict(type='SyncBN', requires_grad=True),  # our choice
            init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://resnet101_v1c'),
        )
    )
)
