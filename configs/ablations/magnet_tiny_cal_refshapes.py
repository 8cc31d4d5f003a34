# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# The small MagNet with the alignment loss (CAL), without Mask Grounding and CAM.
_base_ = '../magnet_tiny_refshapes.py'

model = dict(
    backbone=dict(fusion=dict(pool_sizes=())),  # no CAM: the heads see the PWAM result
    auxiliary_head=[head for head in _base_.model.auxiliary_head if head.type == 'AlignmentLoss'],
)
