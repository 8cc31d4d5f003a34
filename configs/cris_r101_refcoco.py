# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CRIS, CLIP RN101 (embedding width 512), RefCOCO (unc): the published network [C].
#   CLIP_PATH=rn101.pth tools/dist_train.sh configs/cris_r101_refcoco.py 8
_base_ = './cris_r50_refcoco.py'

model = dict(
    backbone=dict(visual=dict(depth=101, embed_channels=512), text=dict(embed_channels=512))
)
