# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# The small MagNet with Mask Grounding and the alignment loss (CAL), without CAM.
_base_ = '../magnet_tiny_refshapes.py'

model = dict(backbone=dict(fusion=dict(pool_sizes=())))  # no CAM: the heads see the PWAM result
