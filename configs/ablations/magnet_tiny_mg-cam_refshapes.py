# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# The small MagNet with Mask Grounding and CAM, without the alignment loss (CAL).
_base_ = '../magnet_tiny_refshapes.py'

model = dict(
    auxiliary_head=[
        head for head in _base_.model.auxiliary_head if head.type == 'MaskGroundingHead'
    ],
)
