# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# EFN with the ResNet-101 of paper and tables, RefCOCO (unc): one GPU x 16, 320x320.
# The released code builds the wide one alone: efn_wide-r101_refcoco.py (docs/methods/efn.md).
_base_ = './efn_wide-r101_refcoco.py'

model = dict(
    backbone=dict(
        visual=dict(
            wide=False,
            init_cfg=dict(checkpoint='https://download.pytorch.org/models/resnet101-63fe2227.pth'),
        )
    )
)
