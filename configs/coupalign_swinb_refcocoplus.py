# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CoupAlign, Swin-B + BERT-base, RefCOCO+ (unc): 8 GPUs x 4, 40 epochs, 480x480, 20 tokens.
# The paper's recipe is not established; LAVT's is taken, so that the methods compare.
#   tools/dist_train.sh configs/coupalign_swinb_refcocoplus.py 8
_base_ = [
    './_base_/models/coupalign_swinb.py',
    './_base_/datasets/refcocoplus.py',
    './_base_/schedules/schedule_40e.py',
    './_base_/default_runtime.py',
]
