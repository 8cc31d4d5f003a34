# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# The small MagNet with CAM, without Mask Grounding and the alignment loss (CAL).
_base_ = '../magnet_tiny_refshapes.py'

model = dict(auxiliary_head=[])
