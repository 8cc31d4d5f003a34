# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# MagNet with the alignment loss (CAL), without Mask Grounding and CAM; RefCOCO (unc).
_base_ = '../magnet_swinb_refcoco.py'

model = dict(
    backbone=dict(fusion=dict(pool_sizes=())),  # no CAM: the heads see the PWAM result
    auxiliary_head=[_base_.alignment_loss],
)
