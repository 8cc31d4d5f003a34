# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# MagNet, Swin-B + BERT-base, RefCOCO (unc): 8 GPUs x 4, 40 epochs, 480x480 [P supp. sec. 3].
#   tools/dist_train.sh configs/magnet_swinb_refcoco.py 8
_base_ = [
    './_base_/models/magnet_swinb.py',
    './_base_/datasets/refcoco.py',
    './_base_/schedules/schedule_40e.py',
    './_base_/default_runtime.py',
]
