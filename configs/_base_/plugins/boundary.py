# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# Supervised edges (EFN, CVPR 2021), a plug-in for any method whose decode head has a pixel
# embedding. In a leaf, as in mask_grounding.py:
#   model = dict(auxiliary_head=[_base_.boundary_head])
boundary_head = dict(
    type='BoundaryHead',
    channels=32,  # EFN's narrowest [C]
    radius=2,  # pixels of the input [C]
    loss_weight=1.0,  # [C]
)
