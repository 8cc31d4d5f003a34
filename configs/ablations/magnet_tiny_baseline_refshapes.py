# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# The small MagNet without Mask Grounding, CAM and the alignment loss (CAL).
_base_ = '../magnet_tiny_refshapes.py'

model = dict(
    backbone=dict(fusion=dict(pool_sizes=())),  # no CAM: the heads see the PWAM result
    auxiliary_head=[],
)
